#pragma once

// Whose code a frame is: the rules behind a finding's `location` and behind "own" (docs/findings.md).

#include <cstdint>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// One place in a call path, symbolized. An inlined call is a frame of its own.
struct Frame {
  std::string function;  ///< empty = unknown
  std::string file;      ///< source file; empty = unknown
  int line = 0;
  std::string module;   ///< path of the ELF file; empty = no file (code made at run time)
  uint64_t offset = 0;  ///< ELF virtual address inside the call instruction; without a module a bare address
  bool is_python = false;
  bool is_inlined = false;
  bool is_runtime = false;  ///< see IsRuntime
  bool is_helper = false;   ///< it opens or closes for others, as CallPaths::SetHelpers() says
  int first_line = 0;       ///< where the function begins; 0 = unknown
  uint64_t site = 0;        ///< which of the function's calls it is (SymbolFrame)
};

/// Last component of a path.
std::string_view BaseName(std::string_view path);

/// True for the program or library that a CPython interpreter is: "python3.11", "libpython3.11.so.1.0".
bool IsPythonInterpreter(std::string_view path);

/// True for code that is never what a programmer looks for: libc, system headers, the C++, Rust, Go and Python
/// libraries, sanitizers, other preloaded libraries. `location` skips such frames where any other is left.
bool IsRuntime(const Frame& frame);

/// True for C++ destructors.
bool IsDestructor(std::string_view function);

/// The last part of a qualified name, without template arguments and parameters: "pool::Lease::drop" -> "drop".
std::string_view Unqualified(std::string_view function);

/// What it is qualified by, a class in most cases: "pool::Lease::drop" -> "pool::Lease", "Log.close" -> "Log".
std::string_view Qualifier(std::string_view function);

/// True for the inside of a sanitizer's runtime, and for its wrappers where it is a library of its own.
bool IsSanitizer(const Frame& frame);

/// Whether it is the user's own code. That lies below `source_root`, by its source file or its module; without one
/// (empty) outside the system's folders: /usr (but /usr/local), /lib, /bin, /sbin, /opt, /snap, /nix. What package
/// managers put anywhere (site-packages, node_modules, cargo's registry) is others'. Code made at run time is own.
bool IsOwn(const Frame& frame, const std::string& source_root);

/// The same for the path of a program or library.
bool IsOwnPath(std::string_view path);

/// How text shows a frame: "load_config (config.c:41)", "load_config (app)" or "app+0x1139".
std::string Describe(const Frame& frame);

}  // namespace fdaudit::analyzer
