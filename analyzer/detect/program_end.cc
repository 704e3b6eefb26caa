#include "analyzer/detect/program_end.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace fdaudit::analyzer {
namespace {

/// exit(3), and what it calls. Not __cxa_finalize: dlclose(3) comes by it as well.
bool IsExit(const Frame& frame) {
  constexpr std::string_view kNames[] = {"exit", "quick_exit", "__run_exit_handlers", "_dl_fini"};
  return frame.is_runtime && std::find(std::begin(kNames), std::end(kNames), frame.function) != std::end(kNames);
}

/// Ruby's own main function, once the script is over: its shutdown has no names in a stripped one, but what the script
/// does goes by the virtual machine.
bool IsBehindScript(const FrameList& frames, size_t index) {
  if (frames[index].function != "ruby_run_node") return false;
  for (size_t i = 0; i < index; ++i) {
    if (frames[i].function == "rb_vm_exec") return false;
  }
  return true;
}

/// Where an interpreter lets go of everything. A server's PHP does so after each request, which is no end.
bool IsShutdown(const FrameList& frames, size_t index) {
  const Frame& frame = frames[index];
  constexpr std::string_view kNames[] = {
      "Py_FinalizeEx",  "perl_destruct", "php_module_shutdown",        "ruby_cleanup", "ruby_finalize",
      "rb_ec_teardown", "rb_ec_cleanup", "rb_objspace_call_finalizer", "lua_close"};
  if (std::find(std::begin(kNames), std::end(kNames), frame.function) != std::end(kNames)) return true;
  if (IsBehindScript(frames, index)) return true;
  return frame.function == "php_request_shutdown" && BaseName(frame.module).find("fpm") == std::string_view::npos &&
         BaseName(frame.module).find("cgi") == std::string_view::npos;
}

/// The C library's, and the dynamic linker's. Their inner functions have no names without debug information.
bool IsLibc(const Frame& frame) {
  const std::string_view name = BaseName(frame.module);
  return name.starts_with("libc.") || name.starts_with("libc-") || name.starts_with("ld-");
}

/// What a container, a smart pointer or a member brings about: nobody wrote a close there. A destructor that closes by
/// itself, and is called for itself, is the end of a pool or a log.
bool IsImplicit(const FrameList& frames, size_t index) {
  const bool has_caller = index + 1 < frames.size() && frames[index + 1].is_runtime && !IsLibc(frames[index + 1]);
  if (IsDestructor(frames[index].function)) return index > 0 || has_caller;
  // Without symbols: what a destructor of the C++ library was called by, or the caller of that.
  const bool is_nameless = frames[index].function.empty() && !frames[index].module.empty();
  if (is_nameless && index > 0) return IsDestructor(frames[index - 1].function) || IsImplicit(frames, index - 1);
  constexpr std::string_view kDeleters[] = {"std::unique_ptr<", "std::shared_ptr<", "std::_Sp_counted"};
  return has_caller && std::any_of(std::begin(kDeleters), std::end(kDeleters), [&](std::string_view start) {
           return frames[index + 1].function.starts_with(start);
         });
}

/// Under exit's handlers whatever is no runtime's code closes on purpose.
ProgramEnd::Closes AtExit(const FrameList& frames, size_t end) {
  while (end > 0 && IsLibc(frames[end - 1])) --end;  // what calls the handlers
  auto closes = ProgramEnd::Closes::kAlone;
  for (size_t i = 0; i < end; ++i) {
    if (frames[i].is_runtime) continue;
    if (!IsImplicit(frames, i)) return ProgramEnd::Closes::kNot;
    if (i + 1 == end) closes = ProgramEnd::Closes::kWithOwner;
  }
  return closes;
}

/// Under an interpreter's shutdown: handlers that programs register (atexit), rather than finalizers.
bool IsTidiedByScript(const FrameList& frames, size_t end) {
  const Frame* outermost_python = nullptr;
  for (size_t i = 0; i < end; ++i) {
    const Frame& frame = frames[i];
    if (frame.is_python) outermost_python = &frame;
    if (!frame.is_python && !frame.is_runtime && frame.module != frames[end].module && IsOwn(frame, "") &&
        !IsImplicit(frames, i))
      return true;
  }
  return outermost_python != nullptr && Unqualified(outermost_python->function) != "__del__";
}

}  // namespace

bool ProgramEnd::LeadsThrough(Model& model, PathId path) {
  if (path == kNoPath) return false;
  const FrameList& frames = model.paths().Frames(path);
  for (size_t i = 0; i < frames.size(); ++i) {
    if (IsShutdown(frames, i) || IsExit(frames[i])) return true;
  }
  return false;
}

ProgramEnd::Closes ProgramEnd::Judge(PathId path) {
  const FrameList& frames = model_.paths().Frames(path);
  for (size_t i = 0; i < frames.size(); ++i) {
    if (IsShutdown(frames, i)) return IsTidiedByScript(frames, i) ? Closes::kNot : Closes::kAlone;
    if (IsExit(frames[i])) return AtExit(frames, i);
  }
  return Closes::kNot;
}

ProgramEnd::Closes ProgramEnd::Closed(const Process& process, const trace::Incarnation& life) {
  constexpr uint16_t kNotPlain = trace::kActRange | trace::kActOverwrote | trace::kActSeenAtEnd;
  if (life.closed.stamp == 0 || life.closed.image != process.image || (life.closed.flags & kNotPlain) != 0)
    return Closes::kNot;
  return Makes(model_.PathOf(process.file, life.closed));
}

ProgramEnd::Closes ProgramEnd::Makes(PathId closing) {
  if (closing == kNoPath) return Closes::kNot;
  const auto [known, is_new] = known_.try_emplace(closing, Closes::kNot);
  if (is_new) known->second = Judge(closing);
  return known->second;
}

}  // namespace fdaudit::analyzer
