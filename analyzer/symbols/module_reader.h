#pragma once

// Reads modules for the symbolizer, in its reader process: opens each once, and names addresses.
//
// Names are only given where they are proven: a DWARF subprogram whose ranges hold the address, else an ELF symbol
// whose extent does. A file that is not the one audited (its build ID differs) gives no names at all, because wrong
// names are worse than none.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/symbols/symbol_frame.h"

namespace fdaudit::analyzer {

class ModuleReader {
 public:
  explicit ModuleReader(SymbolOptions options);
  ~ModuleReader();
  ModuleReader(const ModuleReader&) = delete;
  ModuleReader& operator=(const ModuleReader&) = delete;

  /// As Symbolizer's.
  std::vector<SymbolFrame> Lookup(const ModuleRef& module, uint64_t address);
  std::string Problem(const ModuleRef& module);

 private:
  struct Module;
  Module& Find(const ModuleRef& module);

  SymbolOptions options_;
  std::map<std::pair<std::string, std::vector<uint8_t>>, std::unique_ptr<Module>> modules_;
};

}  // namespace fdaudit::analyzer
