#pragma once

// The gate: which findings fail a build. It judges findings of a trace and of stored reports alike.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/gate/suppressions.h"
#include "analyzer/model/losses.h"

namespace fdaudit::analyzer {

enum class Scope { kOwn, kAll };

/// What identifies a finding of an earlier report.
struct KnownFinding {
  std::string kind;
  std::string message;
};
/// By fingerprint.
using Baseline = std::map<std::string, KnownFinding>;

/// What fails: severities, each with all worse ones, and kinds, whatever their severity.
class FailOn {
 public:
  /// Words of a list, severities and kinds mixed. Empty: understood; else what is wrong.
  std::string Read(const std::vector<std::string>& words);
  bool Fails(Kind kind, Severity severity) const;
  /// The same for a finding that has taken in events of other kinds.
  bool Fails(Kind kind, const std::array<bool, kKinds>& includes, Severity severity) const;
  /// As the report has them.
  std::vector<std::string> Words() const;

 private:
  Severity least_ = Severity::kWarning;
  bool by_severity_ = true;
  std::array<bool, kKinds> kinds_{};
};

struct Policy {
  FailOn fail_on;
  Scope scope = Scope::kOwn;
  Baseline baseline;
  std::vector<Suppression> suppressions;
  std::map<Kind, uint64_t> max;  ///< so many new findings of a kind are tolerated
  uint64_t min_count = 1;        ///< findings of fewer descriptors are tolerated
  bool allow_loss = false;       ///< lost evidence is tolerated
};

/// A finding as the gate sees it.
struct Subject {
  std::string id;
  Kind kind = Kind::kLeak;
  Severity severity = Severity::kNote;
  bool own = false;
  uint64_t count = 0;
  std::string message;
  std::string place;  ///< its location in one line; empty = unknown
  SuppressionSubject traits;
  std::array<bool, kKinds> includes{};  ///< it gates for these kinds as well
  // Filled by Judge():
  State state = State::kNew;
  bool gates = false;
};

struct Verdict {
  bool failed = false;           ///< for findings, or for lost evidence
  bool failed_for_loss = false;  ///< evidence was lost, and that is not tolerated
  Losses lost;
  std::vector<std::string> fail_on;
  Scope scope = Scope::kOwn;
  uint64_t new_findings = 0;
  uint64_t known = 0;
  uint64_t suppressed = 0;
  Baseline gone;                                 ///< of the baseline, what was not found again
  std::string remark;                            ///< what was not judged; empty = everything was
  std::vector<std::string> unused_suppressions;  ///< "FILE:LINE: text"; of the user's files alone
};

/// Fills the subjects' state and gates. `lost`: what the subjects may lack.
Verdict Judge(const Policy& policy, const Losses& lost, std::vector<Subject>* subjects);

Baseline BaselineOf(const std::vector<Subject>& subjects);

const char* Name(State state);
const char* Name(Scope scope);

}  // namespace fdaudit::analyzer
