#pragma once

// What can be set of the gate and the report, defined once: the command line, .fdaudit.toml and its check, and help
// read the same rows. (The shim's settings: shim/base/settings.h.)

#include <string>
#include <string_view>
#include <vector>

#include "analyzer/commands/options.h"

namespace fdaudit::analyzer {

struct Setting {
  enum class Shape {
    kText,
    kTexts,   ///< several; in TOML a text or a list of them
    kNumber,  ///< from `least` to `most`
    kFlag,
    kCounts,  ///< KIND=N, several; in TOML a table
    kFile,    ///< in TOML relative to the configuration's folder
    kFiles,
  };

  const char* section;  ///< of .fdaudit.toml: "gate" or "report"
  const char* name;     ///< key there; the option is --name
  Shape shape;
  const char* value;  ///< what help calls the value; empty for a flag
  const char* help;
  /// What is wrong with a value, one of several; empty = nothing. Null: every text will do.
  std::string (*problem)(const std::string& value) = nullptr;
  int least = 0;
  int most = 0;
  char delimiter = '\0';  ///< of several on the command line
};

const std::vector<Setting>& AllSettings();
/// One that is there.
const Setting& FindSetting(std::string_view name);

/// What is wrong with a value, as a phrase that begins with what it is: "min-count is a number from 1 to 5, not '9'".
/// Empty: nothing.
std::string ProblemOf(const Setting& setting, const std::string& value);

/// The setting on a command line.
Option OptionOf(std::string_view name, Option::Target target);

}  // namespace fdaudit::analyzer
