#include "analyzer/detect/keeper.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace fdaudit::analyzer {
namespace {

/// The function that lets go of what libc opened for itself in `call`.
std::string EndingCall(const std::string& call) {
  const auto begins = [&call](std::initializer_list<std::string_view> starts) {
    return std::any_of(starts.begin(), starts.end(),
                       [&call](std::string_view start) { return call.starts_with(start); });
  };
  if (call.find("log") != std::string::npos && !begins({"getlogin", "login", "logout"})) return "closelog";
  if (begins({"getfs", "setfs"})) return "endfsent";
  if (begins({"gettty", "settty"})) return "endttyent";
  if (begins({"getutx", "setutx", "pututx"})) return "endutxent";
  if (!begins({"get", "set"}) || begins({"getut", "setut", "getlogin"})) return "endutent";
  const std::string name = call.substr(3);  // getpwent_r -> endpwent
  return "end" + (name.ends_with("_r") ? name.substr(0, name.size() - 2) : name);
}

/// What runs a function that is never run again: the dynamic linker constructors, libc and the C++ library the rest.
bool RunsOnce(const Frame& frame) {
  constexpr std::string_view kNames[] = {"call_init",           "_dl_init",    "pthread_once", "__pthread_once",
                                         "__pthread_once_slow", "__once_proxy"};
  return frame.is_runtime && std::find(std::begin(kNames), std::end(kNames), frame.function) != std::end(kNames);
}

/// Of what Python's multiprocessing opened for its processes: why it stays open. What the caller asked for (a
/// connection, a queue, shared memory) is the caller's; a pool's pipes no caller can close.
Keeper MultiprocessingKeeps(const FrameList& frames) {
  constexpr std::string_view kServes[] = {"/multiprocessing/managers.py", "/multiprocessing/forkserver.py"};
  constexpr std::string_view kHolds[] = {
      "/multiprocessing/popen_",   "/multiprocessing/process.py",     "/multiprocessing/resource_tracker.py",
      "/multiprocessing/spawn.py", "/multiprocessing/synchronize.py", "/multiprocessing/pool.py"};
  for (const Frame& frame : frames) {
    if (!frame.is_python) continue;
    if (!IsRuntime(frame)) break;
    const auto is_in = [&frame](std::string_view file) { return frame.file.find(file) != std::string::npos; };
    // A process that serves others ends with all of its own open.
    if (std::any_of(std::begin(kServes), std::end(kServes), is_in))
      return {"multiprocessing keeps it as long as it serves", true};
    if (std::any_of(std::begin(kHolds), std::end(kHolds), is_in))
      return {"multiprocessing keeps it as long as the process object lives", true};
  }
  return {};
}

/// What a language's runtime, or an event loop, sets up for itself in these functions, and keeps as long as it lives.
std::string RuntimeKeeps(const FrameList& frames) {
  struct SetUp {
    std::string_view function;
    const char* who;
  };
  constexpr SetUp kSetUps[] = {{"uv_loop_init", "libuv keeps it as long as the event loop lives"},
                               {"uv_loop_configure", "libuv keeps it as long as the event loop lives"},
                               {"uv__signal_global_once_init", "libuv keeps it for signals"},
                               {"uv__signal_global_init", "libuv keeps it for signals"},
                               {"uv_signal_init", "libuv keeps it for signals"},
                               {"uv__async_start", "libuv keeps it as long as the event loop lives"},
                               {"JNI_CreateJavaVM", "the Java virtual machine keeps it"},
                               {"rb_thread_create_timer_thread", "Ruby keeps it for its threads"},
                               {"ruby_setup", "Ruby keeps it"}};
  for (const Frame& frame : frames) {
    if (!frame.is_runtime && !frame.is_python && !frame.file.empty() && IsOwn(frame, "")) break;
    for (const SetUp& set_up : kSetUps) {
      if (frame.function == set_up.function) return set_up.who;
    }
  }
  return "";
}

/// Of a library's path: why it opened this once.
std::string LibraryKeeps(Model& model, PathId path, const std::string& target) {
  const Frame* location = model.paths().Location(path);
  if (location == nullptr || location->is_runtime || IsOwn(*location, "")) return "";
  const FrameList& frames = model.paths().Frames(path);
  const std::string library(BaseName(location->module));
  const auto runner = std::find_if(frames.begin(), frames.end(), RunsOnce);
  // Own code between: it is what was set up, and the library did what it was asked to.
  if (runner != frames.end() &&
      std::none_of(frames.begin(), runner, [](const Frame& frame) { return !frame.is_runtime && IsOwn(frame, ""); })) {
    return library + " opens it once, where it is set up";
  }
  // libffi, which maps parts of itself again and again.
  if (library.find(".so") != std::string::npos && BaseName(target).starts_with(library))
    return library + " keeps its own file";
  return target == "/dev/urandom" || target == "/dev/random" ? library + " keeps its source of random numbers" : "";
}

}  // namespace

Keeper KeeperOf(Model& model, const trace::Incarnation& life, const std::string& target, const StoryEvent& opened) {
  if ((life.flags & trace::kKeptByLibc) != 0) return {"libc keeps it until " + EndingCall(opened.call) + "()"};
  const std::vector<Frame> raw = model.paths().RawFrames(opened.path);
  const bool by_module = std::any_of(raw.begin(), raw.end(),
                                     [](const Frame& frame) { return BaseName(frame.module).starts_with("libnss_"); });
  if (by_module) return {"a module of libc's name service keeps it"};
  const FrameList& frames = model.paths().Frames(opened.path);
  if (Keeper keeper = MultiprocessingKeeps(frames); !keeper.who.empty()) return keeper;
  if (std::string who = RuntimeKeeps(frames); !who.empty()) return {std::move(who), true};
  return {LibraryKeeps(model, opened.path, target)};
}

}  // namespace fdaudit::analyzer
