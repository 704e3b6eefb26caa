#pragma once

// The shim's options on run's command line: each of the variable's options by its name.

#include <list>
#include <string>
#include <vector>

#include "analyzer/commands/shim_file.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fdaudit::analyzer {

class ShimOptionReader {
 public:
  void Declare(CLI::App& app);
  /// Collects what was given. Returns what is wrong with it, or an empty string.
  std::string Read(std::vector<ShimOption>* options) const;

 private:
  struct Given {
    CLI::Option* option;
    std::vector<std::string> values;
  };
  std::list<Given> given_;  // a list: the parser keeps references
};

}  // namespace fdaudit::analyzer
