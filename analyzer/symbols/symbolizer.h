#pragma once

// From a place in an ELF file to what the programmer wrote there: function, source file, line, inlined calls included.
//
// Names are only given where they are proven: a DWARF subprogram whose ranges hold the address, else an ELF symbol
// whose extent does. A file that is not the one audited (its build ID differs) gives no names at all, because wrong
// names are worse than none. Used by one thread.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fdaudit::analyzer {

/// A mapped ELF file as the trace knows it. `build_id` is empty where the file has none; then `path` is trusted.
struct ModuleRef {
  std::string path;
  std::vector<uint8_t> build_id;
};

/// One function at a place. Unknown text is empty, an unknown line is 0.
struct SymbolFrame {
  std::string function;  ///< demangled, ready for display
  std::string file;      ///< absolute where the debug information allows it
  int line = 0;
  bool is_inlined = false;  ///< inlined into the frame that follows
};

/// Looks addresses up, opening each module once and remembering each answer.
class Symbolizer {
 public:
  struct Options {
    std::string sysroot;                  ///< put before the path of every module; empty = none
    std::vector<std::string> debug_dirs;  ///< searched for separate debug files, before /usr/lib/debug
  };

  explicit Symbolizer(Options options);
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  /// Frames for the ELF virtual address `address`, the innermost inlined one first. A return address must be passed
  /// less 1, so that it lies in the call. Never empty: one frame without a function where nothing is known.
  std::vector<SymbolFrame> Lookup(const ModuleRef& module, uint64_t address);

  /// Why `module` has no symbols here, as a sentence beginning with its path: it is missing, or another build took its
  /// place. Empty where all is well (also where the right file merely has no debug information).
  std::string Problem(const ModuleRef& module);

 private:
  struct Module;
  Module& Find(const ModuleRef& module);

  Options options_;
  std::map<std::pair<std::string, std::vector<uint8_t>>, std::unique_ptr<Module>> modules_;
};

}  // namespace fdaudit::analyzer
