#include "analyzer/commands/settings.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "analyzer/commands/command.h"
#include "analyzer/detect/kinds.h"
#include "analyzer/gate/gate.h"

namespace fdaudit::analyzer {
namespace {

using Shape = Setting::Shape;

constexpr int kMostOfKind = 999999999;

std::string ProblemOfFailOn(const std::string& value) { return FailOn().Read({value}); }

std::string ProblemOfScope(const std::string& value) {
  return value == "own" || value == "all" ? "" : "scope is own or all, not '" + value + "'";
}

std::string ProblemOfMax(const std::string& value) {
  const size_t equals = value.find('=');
  const std::string kind = value.substr(0, equals);
  if (!FindKind(kind)) {
    std::vector<std::string> names;
    for (const KindInfo& info : AllKinds()) names.emplace_back(info.name);
    const std::string meant = Closest(kind, names);
    return "unknown finding kind '" + kind + "'" + (meant.empty() ? "" : " (did you mean '" + meant + "'?)");
  }
  int count = -1;
  const char* const end = value.data() + value.size();
  if (equals != std::string::npos) {
    const auto [rest, error] = std::from_chars(value.data() + equals + 1, end, count);
    if (error != std::errc() || rest != end) count = -1;
  }
  return count >= 0 && count <= kMostOfKind ? "" : fmt::format("max {}: expected KIND=N", value);
}

}  // namespace

const std::vector<Setting>& AllSettings() {
  static const std::vector<Setting> settings = {
      {"gate", "fail-on", Shape::kTexts, "KIND|SEVERITY,...", "severities or kinds that fail (error,warning)",
       ProblemOfFailOn, 0, 0, ','},
      {"gate", "scope", Shape::kText, "own|all", "own (default): in your own code; all: in any code", ProblemOfScope},
      {"gate", "baseline", Shape::kFiles, "REPORT.json",
       "a report as JSON: what it knows does not fail (may be repeated)"},
      {"gate", "suppressions", Shape::kFiles, "FILE", "ignore findings that match a line in FILE (may be repeated)"},
      {"gate", "no-default-suppressions", Shape::kFlag, "", "without those that fdaudit brings along"},
      {"gate", "max", Shape::kCounts, "KIND=N", "tolerate N new findings of a kind (may be repeated)", ProblemOfMax},
      {"gate", "min-count", Shape::kNumber, "N", "tolerate findings of fewer than N descriptors", nullptr, 1,
       1000000000},
      {"gate", "allow-loss", Shape::kFlag, "", "do not fail where the trace had no room for evidence"},
      {"gate", "error-exitcode", Shape::kNumber, "N", "status where the gate fails (1)", nullptr, 1, 255},
      {"report", "source-root", Shape::kFile, "DIR",
       "your own code is what lies below DIR, by its sources or its file (default: the repository around the working "
       "directory, where the program is part of it)"},
      {"report", "sysroot", Shape::kFile, "DIR", "look for programs and libraries below DIR"},
      {"report", "debug-dir", Shape::kFiles, "DIR", "look for separate debug files in DIR too (may be repeated)"},
      {"report", "helper", Shape::kTexts, "FUNCTION",
       "FUNCTION opens or closes for others: look at its callers (may be repeated; most are recognised)"},
      {"report", "ignore-before", Shape::kText, "CHECKPOINT",
       "leave out what a process did before it reached a checkpoint (fdaudit.h; a test, by pytest's name)"},
  };
  return settings;
}

const Setting& FindSetting(std::string_view name) {
  const std::vector<Setting>& all = AllSettings();
  return *std::find_if(all.begin(), all.end(), [name](const Setting& one) { return one.name == name; });
}

std::string ProblemOf(const Setting& setting, const std::string& value) {
  if (setting.problem != nullptr) return setting.problem(value);
  if (setting.shape != Shape::kNumber) return "";
  int number = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, error] = std::from_chars(value.data(), end, number);
  const bool fits = error == std::errc() && rest == end && number >= setting.least && number <= setting.most;
  return fits ? ""
              : fmt::format("{} is a number from {} to {}, not '{}'", setting.name, setting.least, setting.most, value);
}

Option OptionOf(std::string_view name, Option::Target target) {
  const Setting& setting = FindSetting(name);
  Option option{.names = "--" + std::string(name), .target = target, .help = setting.help, .type = setting.value};
  option.delimiter = setting.delimiter;
  if (setting.shape == Shape::kNumber) {
    option.least = setting.least;
    option.most = setting.most;
  }
  return option;
}

}  // namespace fdaudit::analyzer
