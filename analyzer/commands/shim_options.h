#pragma once

// The shim's options on run's command line: each of the variable's options by its name.

#include <optional>
#include <string>
#include <vector>

#include "analyzer/commands/shim_file.h"

namespace fdaudit::analyzer {

class CommandLine;

class ShimOptionReader {
 public:
  void Declare(CommandLine* line);
  /// Collects what was given. Returns what is wrong with it, or an empty string.
  std::string Read(std::vector<ShimOption>* options) const;

 private:
  std::vector<std::optional<std::string>> given_;  // one for each row of the table
};

}  // namespace fdaudit::analyzer
