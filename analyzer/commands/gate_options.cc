#include "analyzer/commands/gate_options.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "analyzer/commands/command.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/settings.h"
#include "analyzer/detect/kinds.h"
#include "analyzer/output/baseline.h"

namespace fdaudit::analyzer {

void GateOptions::Declare(CommandLine* line, bool with_baseline) {
  line->Add({OptionOf("fail-on", &fail_on_), OptionOf("scope", &scope_)});
  if (with_baseline) {
    line->Add({OptionOf("baseline", &baselines_),
               {.names = "--write-baseline",
                .target = &new_baseline_,
                .help = "write a report as JSON to FILE, for --baseline from now on, and do not fail for what it knows",
                .type = "FILE"}});
  }
  line->Add({OptionOf("suppressions", &suppressions_),
             OptionOf("no-default-suppressions", &no_default_suppressions_),
             {.names = "--print-suppressions",
              .target = &print_suppressions_,
              .help = "print lines that would suppress what fails now"},
             OptionOf("max", &max_),
             OptionOf("min-count", &min_count_),
             OptionOf("allow-loss", &allow_loss_),
             OptionOf("error-exitcode", &error_exitcode_),
             {.names = "--config",
              .target = &config_,
              .help = "configuration file (.fdaudit.toml, here or in a folder above)",
              .type = "FILE"}});
}

/// What the command line says. The configuration's values were checked where they stand.
std::string GateOptions::CheckGiven() const {
  for (const auto& [name, values] :
       {std::pair{"fail-on", fail_on_}, std::pair{"scope", std::vector<std::string>{scope_}}, std::pair{"max", max_}}) {
    for (const std::string& value : values) {
      const std::string problem = value.empty() ? "" : ProblemOf(FindSetting(name), value);
      if (!problem.empty()) return fmt::format("--{}: {}", name, problem);
    }
  }
  return "";
}

std::string GateOptions::LoadConfiguration(ReportOptions* report) {
  Configuration configuration;
  std::string problem;
  if (!ReadConfiguration(config_, &configuration, &problem)) return problem;
  const auto fill = [&configuration](const char* key, std::vector<std::string>* list) {
    if (list->empty()) *list = configuration.gate[key];
  };
  const auto fill_text = [](std::map<std::string, std::vector<std::string>>& section, const char* key,
                            std::string* text) {
    if (text->empty() && !section[key].empty()) *text = section[key].front();
  };
  const auto fill_number = [&configuration](const char* key, int* number) {
    if (*number == 0 && !configuration.gate[key].empty()) *number = std::atoi(configuration.gate[key].front().c_str());
  };
  fill("fail-on", &fail_on_);
  fill("suppressions", &suppressions_);
  fill("max", &max_);
  fill_text(configuration.gate, "scope", &scope_);
  fill("baseline", &baselines_);
  fill_number("min-count", &min_count_);
  fill_number("error-exitcode", &error_exitcode_);
  const auto fill_flag = [&configuration](const char* key, bool* flag) {
    *flag |= configuration.gate[key] == std::vector<std::string>{"true"};
  };
  fill_flag("no-default-suppressions", &no_default_suppressions_);
  fill_flag("allow-loss", &allow_loss_);
  fill_text(configuration.report, "source-root", &report->source_root);
  fill_text(configuration.report, "sysroot", &report->sysroot);
  fill_text(configuration.report, "ignore-before", &report->ignore_before);
  const std::vector<std::string>& helpers = configuration.report["helper"];
  report->helpers.insert(report->helpers.end(), helpers.begin(), helpers.end());
  if (report->debug_dirs.empty()) report->debug_dirs = configuration.report["debug-dir"];
  return "";
}

std::string GateOptions::Load(ReportOptions* report) {
  std::string problem = CheckGiven();
  if (problem.empty()) problem = LoadConfiguration(report);
  if (problem.empty() && !fail_on_.empty()) problem = policy_.fail_on.Read(fail_on_);
  policy_.scope = scope_ == "all" ? Scope::kAll : Scope::kOwn;
  for (const std::string& text : max_) {
    if (!problem.empty()) break;
    const size_t equals = text.find('=');
    policy_.max[*FindKind(text.substr(0, equals))] = std::stoul(text.substr(equals + 1));
  }
  policy_.min_count = static_cast<uint64_t>(std::max(min_count_, 1));
  policy_.allow_loss = allow_loss_;
  if (error_exitcode_ == 0) error_exitcode_ = kExitGateFailed;
  for (const std::string& file : suppressions_) {
    if (!problem.empty()) break;
    for (Suppression& one : ReadSuppressions(file, &problem)) policy_.suppressions.push_back(std::move(one));
  }
  if (!no_default_suppressions_) {
    const std::vector<Suppression>& built_in = BuiltInSuppressions();
    policy_.suppressions.insert(policy_.suppressions.end(), built_in.begin(), built_in.end());
  }
  // Last: a report that can't be read throws.
  for (const std::string& file : baselines_) {
    if (problem.empty()) policy_.baseline.merge(ReadBaseline(file));
  }
  return problem;
}

int GateOptions::StatusOf(const Verdict& verdict, const std::vector<Subject>& subjects) const {
  const bool has_failing = new_baseline_.empty() &&
                           std::any_of(subjects.begin(), subjects.end(), [](const Subject& one) { return one.gates; });
  return has_failing ? error_exitcode_ : verdict.failed_for_loss ? kExitEvidenceLost : kExitOk;
}

}  // namespace fdaudit::analyzer
