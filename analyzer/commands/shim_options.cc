#include "analyzer/commands/shim_options.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "analyzer/commands/options.h"

namespace fdaudit::analyzer {
namespace {

bool IsSwitch(const std::string& value) { return value == "0" || value == "1"; }

bool IsDepth(const std::string& value) {
  const bool digits = !value.empty() && value.size() <= 3 && value.find_first_not_of("0123456789") == std::string::npos;
  return digits && std::atoi(value.c_str()) >= 1 && std::atoi(value.c_str()) <= 256;
}

bool IsSize(const std::string& value) {
  const size_t digits = std::min(value.find_first_not_of("0123456789"), value.size());
  const std::string unit = value.substr(digits);
  return digits >= 1 && digits <= 10 && (unit.empty() || (unit.size() == 1 && strchr("kKmMgG", unit[0]) != nullptr));
}

bool IsQuarantine(const std::string& value) {
  const bool digits = !value.empty() && value.size() <= 4 && value.find_first_not_of("0123456789") == std::string::npos;
  return digits && std::atoi(value.c_str()) <= 1024;
}

bool IsNameList(const std::string& value) { return value.find(':') == std::string::npos && value.size() < 256; }

bool IsLastUse(const std::string& value) { return IsSwitch(value) || value == "stack"; }

bool IsUnwinder(const std::string& value) { return value == "own" || value == "libunwind"; }

struct Row {
  const char* name;
  const char* type;
  bool (*is_valid)(const std::string& value);
  const char* expected;
  const char* help;
};

constexpr Row kRows[] = {
    {"depth", "N", IsDepth, "1 to 256", "frames kept of each stack (64)"},
    {"journal", "SIZE", IsSize, "a size such as 16M", "room for the event journal (16M); 0 = none"},
    {"follow", "0|1", IsSwitch, "0 or 1", "audit forked and exec'd children too (1)"},
    {"skip", "NAME,...", IsNameList, "file names, separated by commas", "programs that run unaudited"},
    {"python", "0|1", IsSwitch, "0 or 1", "Python frames in the stacks of Python programs (1)"},
    {"quarantine", "0|1|N", IsQuarantine, "0, 1 or a number up to 1024",
     "closed numbers rest: the last N are not handed out again while others are free; 1 = 64 (0)"},
    {"uses", "0|1", IsSwitch, "0 or 1", "report uses of closed numbers (1)"},
    {"last_use", "0|1|stack", IsLastUse, "0, 1 or stack",
     "where each number was last used: the line, or the call path (1)"},
    {"unwinder", "own|libunwind", IsUnwinder, "own or libunwind", "who reads the unwind tables (own)"},
    {"summary", "0|1", IsSwitch, "0 or 1", "one line on standard error when a process ends (0)"},
};

}  // namespace

void ShimOptionReader::Declare(CommandLine* line) {
  given_.resize(std::size(kRows));
  auto given = given_.begin();
  for (const Row& row : kRows) {
    // A switch may stand without a value: --quarantine is --quarantine 1.
    const bool is_switch = row.is_valid == IsSwitch || row.is_valid == IsLastUse || row.is_valid == IsQuarantine;
    line->Add({{.names = std::string("--") + row.name,
                .target = &*given++,
                .help = row.help,
                .type = row.type,
                .value_is_optional = is_switch,
                .group = "Options for the shim"}});
  }
}

std::string ShimOptionReader::Read(std::vector<ShimOption>* options) const {
  auto row = std::begin(kRows);
  for (const std::optional<std::string>& given : given_) {
    if (given) {
      const std::string value = given->empty() ? "1" : *given;
      if (!row->is_valid(value)) {
        return std::string("--") + row->name + " takes " + row->expected + ", not '" + value + "'";
      }
      options->emplace_back(row->name, value);
    }
    ++row;
  }
  return "";
}

}  // namespace fdaudit::analyzer
