#pragma once

// One ELF file's own account of its code: DWARF (in the file, or in a separate debug file found the way debuggers find
// it) and symbols. The one place that knows libdw; names come out as the compiler wrote them, the rest of the program
// demangles and displays.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

/// A function at a place, as DWARF has it.
struct DebugFrame {
  std::string linkage_name;  ///< mangled; empty where DWARF leaves it out, as for most of C
  std::string name;          ///< as in the source, qualified where the language has namespaces
  std::string file;
  int line = 0;
  bool is_inlined = false;
  int first_line = 0;  ///< where the function is declared; 0 = unknown
};

class DebugInfo {
 public:
  /// Opens `file`, a regular file, and checks that it is the build `build_id` (empty = any will do). Separate debug
  /// files are sought in `debug_dirs`, absolute paths, and by debuginfod where the environment names a server. nullptr
  /// on failure, with a sentence about `file` in `problem`.
  static std::unique_ptr<DebugInfo> Open(const std::string& file, const std::vector<uint8_t>& build_id,
                                         const std::vector<std::string>& debug_dirs, std::string* problem);
  /// The same for a file that is nowhere to be found: sought by its build ID in `debug_dirs`, then by debuginfod.
  /// nullptr where there is none.
  static std::unique_ptr<DebugInfo> OpenByBuildId(const std::vector<uint8_t>& build_id,
                                                  const std::vector<std::string>& debug_dirs);
  ~DebugInfo();
  DebugInfo(const DebugInfo&) = delete;
  DebugInfo& operator=(const DebugInfo&) = delete;

  /// Functions at the ELF virtual address, innermost first. Without a function there, but with a line, one frame that
  /// has no names. Empty where DWARF says nothing.
  std::vector<DebugFrame> Frames(uint64_t address);

  /// The symbol whose extent holds the address, the one fit for display where several do. Empty where none does.
  std::string Symbol(uint64_t address);

  /// Which of its function's calls holds the address, by the symbol's extent: as CallSite() says (call_site.h). 0 where
  /// that is not known, as in a debug file, which has no code.
  uint64_t Site(uint64_t address);

 private:
  struct Impl;
  explicit DebugInfo(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fdaudit::analyzer
