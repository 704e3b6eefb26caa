// The only file that knows CLI11: to include it costs more than any of our own files.

#include "analyzer/commands/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <list>
#include <utility>

#include "analyzer/commands/command.h"
#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

/// Rows become the library's options. What an optional gets is collected here until all is parsed.
class Parser {
 public:
  Parser(const std::string& description, const std::string& name) : app_(description, name) {}

  CLI::App& app() { return app_; }

  void Declare(const Option& row) {
    CLI::Option* const option = std::visit([&](auto* target) { return Declare(row, target); }, row.target);
    if (!row.type.empty()) option->type_name(row.type);
    if (row.is_required) option->required();
    if (row.delimiter != '\0') option->delimiter(row.delimiter);
    if (!row.excludes.empty()) option->excludes(app_.get_option(row.excludes));
    if (!row.group.empty()) option->group(row.group);
  }

  void FillOptionals() const {
    for (const Given& given : given_) {
      if (given.option->count() != 0) *given.target = given.values.empty() ? "" : given.values.back();
    }
  }

 private:
  struct Given {
    std::optional<std::string>* target;
    CLI::Option* option;
    std::vector<std::string> values;
  };

  CLI::Option* Declare(const Option& row, bool* target) { return app_.add_flag(row.names, *target, row.help); }

  CLI::Option* Declare(const Option& row, int* target) {
    CLI::Option* const option = app_.add_option(row.names, *target, row.help);
    if (row.most != INT_MAX) return option->check(CLI::Range(row.least, row.most));
    return row.least == 1 ? option->check(CLI::PositiveNumber) : option;
  }

  CLI::Option* Declare(const Option& row, std::string* target) { return app_.add_option(row.names, *target, row.help); }

  CLI::Option* Declare(const Option& row, std::vector<std::string>* target) {
    CLI::Option* const option = app_.add_option(row.names, *target, row.help);
    if (row.names.front() != '-') return option;
    return option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }

  CLI::Option* Declare(const Option& row, std::optional<std::string>* target) {
    Given& given = given_.emplace_back(Given{target, nullptr, {}});
    given.option = app_.add_option(row.names, given.values, row.help)->expected(row.value_is_optional ? 0 : 1, 1);
    return given.option;
  }

  CLI::App app_;
  std::list<Given> given_;  // a list: the parser keeps references
};

/// "-f" and "--format" of "-f,--format".
bool Names(std::string_view names, std::string_view wanted) {
  while (!names.empty()) {
    const size_t end = std::min(names.find(','), names.size());
    if (names.substr(0, end) == wanted) return true;
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return false;
}

/// Whether a word may be the value of an option that may do without one: a number, or a word that its type lists.
bool MayBeValue(std::string_view type, std::string_view word) {
  if (!word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos) return true;
  while (!type.empty()) {
    const size_t end = std::min(type.find('|'), type.size());
    if (type.substr(0, end) == word) return true;
    type.remove_prefix(std::min(end + 1, type.size()));
  }
  return false;
}

}  // namespace

int CommandLine::FirstOperand(int argc, char** argv) const {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--" || word.size() < 2 || word.front() != '-') return i;
    // "-fjson" and "--format=json" have their value with them.
    const bool is_short = word[1] != '-';
    if (is_short ? word.size() > 2 : word.find('=') != std::string_view::npos) continue;
    const auto row = std::find_if(options_.begin(), options_.end(),
                                  [word](const Option& option) { return Names(option.names, word); });
    if (row == options_.end() || std::holds_alternative<bool*>(row->target) || i + 1 == argc) continue;
    if (!row->value_is_optional || MayBeValue(row->type, argv[i + 1])) ++i;
  }
  return argc;
}

void CommandLine::Add(std::vector<Option> options) {
  std::move(options.begin(), options.end(), std::back_inserter(options_));
}

Option& CommandLine::Find(std::string_view names) {
  return *std::find_if(options_.begin(), options_.end(), [&](const Option& option) { return option.names == names; });
}

void CommandLine::Remove(std::string_view names) {
  std::erase_if(options_, [&](const Option& option) { return option.names == names; });
}

bool CommandLine::Parse(int argc, char** argv, int usage_status, int* status) const {
  Parser parser(description_, name_);
  for (const Option& option : options_) parser.Declare(option);
  if (!footer_.empty()) parser.app().footer(footer_);
  try {
    parser.app().parse(argc, argv);
    parser.FillOptionals();
    return true;
  } catch (const CLI::CallForHelp&) {
    std::fputs(parser.app().help().c_str(), stdout);
    *status = kExitOk;
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "fdaudit %s: %s\nTry `fdaudit %s --help`.\n", argv[0], EscapeForTerminal(error.what()).c_str(),
                 argv[0]);
    *status = usage_status;
  }
  return false;
}

}  // namespace fdaudit::analyzer
