#pragma once

// What symbols are asked for, and the answer.

#include <cstdint>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

/// A mapped ELF file as the trace knows it. `build_id` is empty where the file has none; then `path` is trusted.
struct ModuleRef {
  std::string path;
  std::vector<uint8_t> build_id;
};

/// Where a debug directory has a file by its build ID: "/usr/lib/debug/.build-id/ab/cdef….debug".
std::string BuildIdPath(const std::string& debug_dir, const std::vector<uint8_t>& build_id);

/// One function at a place. Unknown text is empty, an unknown line is 0.
struct SymbolFrame {
  std::string function;  ///< demangled, ready for display
  std::string file;      ///< absolute where the debug information allows it
  int line = 0;
  bool is_inlined = false;  ///< inlined into the frame that follows
  int first_line = 0;       ///< where the function is declared
  /// Of a function that is not inlined, which of its calls this is: by the ordinal among those to the same target, from
  /// 1 (call_site.h); 0 = unknown.
  uint64_t site = 0;
};

struct SymbolOptions {
  std::string sysroot;                  ///< put before the path of every module; empty = none
  std::vector<std::string> debug_dirs;  ///< searched for separate debug files, before /usr/lib/debug
};

}  // namespace fdaudit::analyzer
