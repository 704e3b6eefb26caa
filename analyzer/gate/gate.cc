#include "analyzer/gate/gate.h"

#include <algorithm>
#include <set>

#include "analyzer/detect/kinds.h"

namespace fdaudit::analyzer {
namespace {

constexpr Severity kSeverities[] = {Severity::kError, Severity::kWarning, Severity::kNote};

State StateOf(const Policy& policy, const Subject& subject, std::set<const Suppression*>* used) {
  State state = policy.baseline.count(subject.id) != 0 ? State::kKnown : State::kNew;
  // All that fit count as used: which of two equal lines comes first is nobody's fault.
  for (const Suppression& suppression : policy.suppressions) {
    if (!suppression.Fits(subject.kind, subject.traits)) continue;
    used->insert(&suppression);
    state = State::kSuppressed;
  }
  return state;
}

}  // namespace

std::string FailOn::Read(const std::vector<std::string>& words) {
  by_severity_ = false;
  least_ = Severity::kError;
  kinds_ = {};
  for (const std::string& word : words) {
    const auto* severity = std::find_if(std::begin(kSeverities), std::end(kSeverities),
                                        [&](Severity known) { return word == Name(known); });
    if (severity != std::end(kSeverities)) {
      least_ = by_severity_ ? std::max(least_, *severity) : *severity;
      by_severity_ = true;
    } else if (const std::optional<Kind> kind = FindKind(word)) {
      kinds_[static_cast<size_t>(*kind)] = true;
    } else {
      return "'" + word + "' is neither a severity (error, warning, note) nor a kind (fdaudit explain lists them)";
    }
  }
  return words.empty() ? "nothing to fail on" : "";
}

bool FailOn::Fails(Kind kind, Severity severity) const {
  if (by_severity_ && severity <= least_) return true;
  return kinds_[static_cast<size_t>(kind)];
}

bool FailOn::Fails(Kind kind, const std::array<bool, kKinds>& includes, Severity severity) const {
  return std::any_of(std::begin(AllKinds()), std::end(AllKinds()), [&](const KindInfo& info) {
    return (info.kind == kind || includes[static_cast<size_t>(info.kind)]) && Fails(info.kind, severity);
  });
}

std::vector<std::string> FailOn::Words() const {
  std::vector<std::string> words;
  for (const Severity severity : kSeverities) {
    if (by_severity_ && severity <= least_) words.emplace_back(Name(severity));
  }
  for (const KindInfo& info : AllKinds()) {
    if (kinds_[static_cast<size_t>(info.kind)]) words.emplace_back(info.name);
  }
  return words;
}

Verdict Judge(const Policy& policy, const Losses& lost, std::vector<Subject>* subjects) {
  Verdict verdict;
  verdict.lost = lost;
  verdict.failed_for_loss = lost.Any() && !policy.allow_loss;
  verdict.failed = verdict.failed_for_loss;
  verdict.fail_on = policy.fail_on.Words();
  verdict.scope = policy.scope;
  verdict.gone = policy.baseline;
  std::set<const Suppression*> used;
  std::map<Kind, std::vector<Subject*>> failing;
  for (Subject& subject : *subjects) {
    verdict.gone.erase(subject.id);
    subject.gates = false;
    subject.state = StateOf(policy, subject, &used);
    ++(subject.state == State::kNew     ? verdict.new_findings
       : subject.state == State::kKnown ? verdict.known
                                        : verdict.suppressed);
    const bool in_scope = policy.scope == Scope::kAll || subject.own;
    if (subject.state == State::kNew && in_scope && subject.count >= policy.min_count &&
        policy.fail_on.Fails(subject.kind, subject.includes, subject.severity)) {
      failing[subject.kind].push_back(&subject);
    }
  }
  for (const auto& [kind, of_kind] : failing) {
    const auto most = policy.max.find(kind);
    if (most != policy.max.end() && of_kind.size() <= most->second) continue;
    for (Subject* subject : of_kind) subject->gates = true;
    verdict.failed = true;
  }
  for (const Suppression& suppression : policy.suppressions) {
    if (!suppression.is_built_in() && used.count(&suppression) == 0) {
      verdict.unused_suppressions.push_back(suppression.Describe());
    }
  }
  return verdict;
}

Baseline BaselineOf(const std::vector<Subject>& subjects) {
  Baseline baseline;
  for (const Subject& subject : subjects) baseline[subject.id] = {Name(subject.kind), subject.message};
  return baseline;
}

const char* Name(State state) { return state == State::kNew ? "new" : state == State::kKnown ? "known" : "suppressed"; }

const char* Name(Scope scope) { return scope == Scope::kOwn ? "own" : "all"; }

}  // namespace fdaudit::analyzer
