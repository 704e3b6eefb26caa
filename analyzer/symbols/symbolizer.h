#pragma once

// From a place in an ELF file to what the programmer wrote there: function, source file, line, inlined calls included.
// The files are named by a trace and may be of anybody's make; a process of its own reads them (reader_process.h), so
// that none can take more than its share of memory and time, or take the report along. Used by one thread.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analyzer/symbols/symbol_frame.h"

namespace fdaudit::analyzer {

class ReaderProcess;

/// Looks addresses up, remembering each answer.
class Symbolizer {
 public:
  using Options = SymbolOptions;

  explicit Symbolizer(Options options);
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  /// Frames for the ELF virtual address `address`, the innermost inlined one first. A return address must be passed
  /// less 1, so that it lies in the call. Never empty: one frame without a function where nothing is known.
  std::vector<SymbolFrame> Lookup(const ModuleRef& module, uint64_t address);

  /// Why `module` has no symbols here, as a sentence beginning with its path: it is missing, another build took its
  /// place, or reading it took too much. Empty where all is well (also where the right file merely has no debug
  /// information).
  std::string Problem(const ModuleRef& module);

 private:
  struct Module {
    std::unordered_map<uint64_t, std::vector<SymbolFrame>> frames;
    std::string problem;
    bool has_problem = false;  ///< `problem` is known: it was asked for, or the reader died of this module
    bool is_refused = false;   ///< the reader died of it: never asked for again
  };

  Module& Find(const ModuleRef& ref) { return modules_[{ref.path, ref.build_id}]; }
  /// The reader's answer; an empty one, and the module is refused, where it died.
  std::string Ask(char what, const ModuleRef& ref, uint64_t address, Module* module);

  Options options_;
  std::unique_ptr<ReaderProcess> reader_;  ///< started when it is first needed
  int readers_left_;                       ///< so many more may die
  std::map<std::pair<std::string, std::vector<uint8_t>>, Module> modules_;
};

}  // namespace fdaudit::analyzer
