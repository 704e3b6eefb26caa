#pragma once

// What a command takes on its command line, as a table: one row says an option's names, where its value goes and how it
// is described. options.cc alone knows the library that parses; whatever else needs the options, walks these rows.

#include <climits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fdaudit::analyzer {

struct Option {
  /// The type says how a value is read. bool: a flag, without a value. A list: the option may be repeated. An optional:
  /// holds a value where the option was given.
  using Target = std::variant<bool*, int*, std::string*, std::vector<std::string>*, std::optional<std::string>*>;

  std::string names;  ///< "-f,--format"; without dashes: an argument, by its place
  Target target;
  std::string help;
  std::string type = "";  ///< the value's name in help, such as FILE
  int least = INT_MIN;    ///< of an int
  int most = INT_MAX;
  char delimiter = '\0';           ///< of a list: parts one value into several
  bool is_required = false;        ///< of an argument
  bool value_is_optional = false;  ///< of an optional: given without one, it is the empty string
  std::string excludes = "";       ///< name of an option declared before, which may not be given as well
  std::string group = "";          ///< heading in help; empty: "Options"
};

class CommandLine {
 public:
  /// `name`: as in "fdaudit report".
  CommandLine(std::string description, std::string name)
      : description_(std::move(description)), name_(std::move(name)) {}

  void Add(std::vector<Option> options);
  /// An option that was added, to describe it otherwise. It must be there.
  Option& Find(std::string_view names);
  void Remove(std::string_view names);
  void set_footer(std::string footer) { footer_ = std::move(footer); }

  /// Index of the first word behind the command's name that is neither an option nor an option's value: "--", or what
  /// the options are for. argc where there is none.
  int FirstOperand(int argc, char** argv) const;

  /// Fills the targets. True: go on. False: leave with `*status` (help was asked for, or a usage error was reported).
  bool Parse(int argc, char** argv, int usage_status, int* status) const;

 private:
  std::string description_;
  std::string name_;
  std::string footer_;
  std::vector<Option> options_;
};

}  // namespace fdaudit::analyzer
