#pragma once

// The options of the gate, on the command line and in a configuration file: what `gate`, `diff` and `run --gate` share.

#include <map>
#include <string>
#include <vector>

#include "analyzer/commands/reporting.h"
#include "analyzer/gate/gate.h"

namespace fdaudit::analyzer {

class GateOptions {
 public:
  /// `with_baseline`: `diff` has its own.
  void Declare(CommandLine* line, bool with_baseline = true);

  /// Reads the configuration file and the files that options name. The command line comes before the configuration.
  /// Empty: the policy is there; else what is wrong.
  std::string Load(ReportOptions* report);

  const Policy& policy() const { return policy_; }
  int error_exitcode() const { return error_exitcode_; }
  /// The command's exit status.
  int StatusOf(const Verdict& verdict, const std::vector<Subject>& subjects) const;
  bool print_suppressions() const { return print_suppressions_; }
  /// Where to write what is known from now on; empty: nowhere.
  const std::string& new_baseline() const { return new_baseline_; }

 private:
  std::string LoadConfiguration(ReportOptions* report);
  std::string CheckGiven() const;

  std::vector<std::string> fail_on_;
  std::string scope_;
  std::vector<std::string> baselines_;
  std::string new_baseline_;
  std::vector<std::string> suppressions_;
  std::vector<std::string> max_;
  std::string config_;
  int min_count_ = 0;
  int error_exitcode_ = 0;  ///< 0: not given
  bool no_default_suppressions_ = false;
  bool allow_loss_ = false;
  bool print_suppressions_ = false;
  Policy policy_;
};

/// What a configuration file says, as texts of the command line's options. Lists and numbers are texts as well.
struct Configuration {
  std::string file;
  std::map<std::string, std::vector<std::string>> gate;  ///< by option name without dashes
  std::map<std::string, std::vector<std::string>> report;
};

/// Reads `path`; where that is empty, .fdaudit.toml in the working directory or the nearest one above it. Names of
/// files are made relative to where the configuration lies. False: it is bad, and `problem` says why; none found is
/// fine.
bool ReadConfiguration(const std::string& path, Configuration* out, std::string* problem);

}  // namespace fdaudit::analyzer
