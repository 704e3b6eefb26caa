#include "analyzer/model/frame_class.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace fdaudit::analyzer {
namespace {

bool StartsWith(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// File names of runtime libraries, without what follows ".so".
constexpr std::string_view kRuntimeLibraries[] = {
    // libc and what belongs to it
    "libc", "libpthread", "libdl", "librt", "libm", "libutil", "libresolv", "libanl", "ld", "libthread_db",
    // languages
    "libstdc++", "libgcc_s", "libc++", "libc++abi", "libunwind", "libstd", "libgo", "libgfortran", "libgomp",
    // sanitizers
    "libasan", "libtsan", "libubsan", "liblsan", "libmsan", "libhwasan",
    // what else is usually preloaded
    "libfdaudit", "libfakeroot", "libeatmydata", "libfaketime", "libfaketimeMT", "libjemalloc", "libtcmalloc",
    "libtcmalloc_minimal", "libmimalloc", "libproxychains", "libproxychains4", "libtsocks", "libtorsocks",
    "libSegFault", "libnss_wrapper", "libuid_wrapper", "libsocket_wrapper", "libheaptrack_preload", "libear",
    "libexec"};

/// "libc.so.6", "libc-2.31.so", "libstd-0123abcd.so" → the part before ".so" and a version names the library.
bool IsRuntimeLibrary(std::string_view name) {
  const auto is_listed = [](std::string_view text) {
    return std::find(std::begin(kRuntimeLibraries), std::end(kRuntimeLibraries), text) != std::end(kRuntimeLibraries);
  };
  for (const std::string_view start :
       {"ld-linux", "ld-musl", "libc.musl", "libnss_", "libclang_rt.", "linux-vdso", "[vdso"}) {
    if (StartsWith(name, start)) return true;
  }
  const std::string_view stem = name.substr(0, name.find(".so"));
  if (stem.size() == name.size()) return false;
  const size_t dash = stem.rfind('-');
  const bool is_versioned =
      dash != std::string_view::npos && stem.find_first_not_of("0123456789abcdef.", dash + 1) == std::string_view::npos;
  return is_listed(stem) || (is_versioned && is_listed(stem.substr(0, dash)));
}

bool IsPythonStandardLibrary(std::string_view file) {
  if (StartsWith(file, "<frozen ")) return true;
  if (Contains(file, "/site-packages/") || Contains(file, "/dist-packages/")) return false;
  const size_t at = file.find("/lib/python");
  if (at == std::string_view::npos) return false;
  const std::string_view version = file.substr(at + 11, file.find('/', at + 11) - (at + 11));
  return !version.empty() && version.find_first_not_of("0123456789.t") == std::string_view::npos;
}

bool IsRuntimeSource(std::string_view file) {
  return BaseName(file) == "fdaudit.h" || StartsWith(file, "/usr/include/") ||
         StartsWith(file, "/usr/local/include/c++/") || Contains(file, "/include/c++/") ||
         (StartsWith(file, "/usr/lib/gcc/") && Contains(file, "/include")) ||
         (StartsWith(file, "/usr/lib/llvm") && Contains(file, "/include")) || StartsWith(file, "/rustc/") ||
         Contains(file, "/rustlib/src/rust/library/") || Contains(file, "/go/src/runtime/") ||
         Contains(file, "/go/src/syscall/") || Contains(file, "/go/src/os/") || Contains(file, "/go/src/internal/");
}

constexpr std::string_view kSanitizerLibraries[] = {"libasan.so", "libtsan.so",   "libubsan.so", "liblsan.so",
                                                    "libmsan.so", "libhwasan.so", "libclang_rt."};
constexpr std::string_view kSanitizerNamespaces[] = {
    "__sanitizer::", "__asan::", "__tsan::", "__ubsan::", "__lsan::", "__msan::", "__hwasan::"};

template <size_t N>
bool StartsWithAny(std::string_view text, const std::string_view (&starts)[N]) {
  return std::any_of(std::begin(starts), std::end(starts),
                     [text](std::string_view start) { return StartsWith(text, start); });
}

constexpr std::string_view kRuntimeFunctions[] = {
    "std::",    "__gnu_cxx::", "core::",    "alloc::",        "<std::",          "<core::",     "<alloc::",
    "runtime.", "syscall.",    "internal/", "__interceptor_", "___interceptor_", "__sanitizer", "__asan",
    "__tsan",   "__msan",      "__ubsan",   "__lsan",         "__rust_",         "rust_begin_", "_start"};

bool IsRuntimeFunction(std::string_view function) { return StartsWithAny(function, kRuntimeFunctions); }

}  // namespace

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool IsPythonInterpreter(std::string_view path) {
  const std::string_view name = BaseName(path);
  if (StartsWith(name, "libpython")) return Contains(name, ".so");
  return StartsWith(name, "python") && name.find_first_not_of("0123456789.-dbgmut", 6) == std::string_view::npos;
}

bool IsRuntime(const Frame& frame) {
  if (frame.is_python) return IsPythonStandardLibrary(frame.file);
  if (IsPythonInterpreter(frame.module) || IsPythonStandardLibrary(frame.module)) return true;
  return IsRuntimeLibrary(BaseName(frame.module)) || IsRuntimeSource(frame.file) || IsRuntimeFunction(frame.function);
}

namespace {

/// ".part.0" and the like: the compiler's own name for a piece of a function.
bool IsCompilersPiece(std::string_view after_dot) {
  constexpr std::string_view kPieces[] = {"part", "constprop", "isra", "cold", "lto_priv"};
  return after_dot.empty() || (after_dot.front() >= '0' && after_dot.front() <= '9') ||
         std::any_of(std::begin(kPieces), std::end(kPieces),
                     [after_dot](std::string_view piece) { return StartsWith(after_dot, piece); });
}

/// Where the last part of a qualified name begins. Separators inside of template arguments and parameters don't count.
size_t LastPart(std::string_view function) {
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i < function.size(); ++i) {
    const char c = function[i];
    if (c == '<' || c == '(') {
      ++depth;
    } else if (c == '>' || c == ')') {
      --depth;
    } else if (depth == 0 && c == ':' && i > 0 && function[i - 1] == ':') {
      begin = i + 1;
    } else if (depth == 0 && c == '.' && !IsCompilersPiece(function.substr(i + 1))) {
      begin = i + 1;
    }
  }
  return begin;
}

}  // namespace

std::string_view Unqualified(std::string_view function) {
  const std::string_view last = function.substr(LastPart(function));
  return last.substr(0, last.find_first_of("<("));
}

std::string_view Qualifier(std::string_view function) {
  const std::string_view before = function.substr(0, LastPart(function));
  return before.substr(0, before.find_last_not_of(":.") + 1);
}

bool IsDestructor(std::string_view function) {
  const std::string_view last = function.substr(LastPart(function));
  return last.size() > 1 && last.front() == '~';
}

bool IsSanitizer(const Frame& frame) {
  return StartsWithAny(frame.function, kSanitizerNamespaces) ||
         StartsWithAny(BaseName(frame.module), kSanitizerLibraries);
}

bool IsOwnPath(std::string_view path) {
  if (path.empty()) return true;  // code made at run time is somebody's, and not the system's
  if (path.front() == '[' || StartsWith(path, "linux-vdso")) return false;
  if (StartsWith(path, "/usr/local/")) return true;
  constexpr std::string_view kSystem[] = {"/usr/", "/lib/",  "/lib32/", "/lib64/", "/libx32/",
                                          "/bin/", "/sbin/", "/opt/",   "/snap/",  "/nix/"};
  return std::none_of(std::begin(kSystem), std::end(kSystem),
                      [path](std::string_view start) { return StartsWith(path, start); });
}

namespace {

/// What package managers and toolchains put below a home or a repository: others' code.
bool IsPackaged(std::string_view path) {
  constexpr std::string_view kFolders[] = {"/site-packages/", "/dist-packages/", "/node_modules/", "/.cargo/",
                                           "/.rustup/",       "/pkg/mod/",       "/.nvm/",         "/.pyenv/",
                                           "/.rbenv/",        "/.gem/",          "/.m2/",          "/.sdkman/",
                                           "/.conda/",        "/miniconda3/",    "/.local/lib/",   "/.local/share/"};
  return std::any_of(std::begin(kFolders), std::end(kFolders),
                     [path](std::string_view folder) { return Contains(path, folder); });
}

bool IsBelow(std::string_view path, std::string_view folder) {
  return StartsWith(path, folder) &&
         (path.size() == folder.size() || folder.back() == '/' || path[folder.size()] == '/');
}

}  // namespace

bool IsOwn(const Frame& frame, const std::string& source_root) {
  const std::string& lies_in = frame.is_python ? frame.file : frame.module;
  if (IsPackaged(frame.file) || IsPackaged(lies_in)) return false;
  if (source_root.empty() || lies_in.empty()) return IsOwnPath(lies_in);
  return IsBelow(frame.file, source_root) || IsBelow(lies_in, source_root);
}

std::string Describe(const Frame& frame) {
  const std::string place =
      frame.module.empty() ? std::string("code made at run time") : std::string(BaseName(frame.module));
  if (frame.function.empty()) {
    if (!frame.file.empty()) return fmt::format("{}:{}", BaseName(frame.file), frame.line);
    return fmt::format("{}+{:#x}", frame.module.empty() ? "jit" : place, frame.offset);
  }
  if (frame.file.empty()) return fmt::format("{} ({})", frame.function, place);
  if (frame.line == 0) return fmt::format("{} ({})", frame.function, BaseName(frame.file));
  return fmt::format("{} ({}:{})", frame.function, BaseName(frame.file), frame.line);
}

}  // namespace fdaudit::analyzer
