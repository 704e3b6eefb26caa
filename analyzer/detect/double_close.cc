// double-close: a close failed with EBADF on a number whose opening and first close in this process were both recorded.
// Which life of the number the failing close meant, and whether another history fits as well, is the judge's to say.
// One close_range that closed several numbers is one cause, wherever their owners fail afterwards.

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/judge/judge.h"

namespace fdaudit::analyzer {
namespace {

using trace::FindingRecord;
using trace::Incarnation;

using RangeKey = std::pair<ProcessIndex, uint64_t>;  // process, stamp of its close_range

struct Stumble {
  trace::Act opened;
  trace::Act closed_again;
};

bool WasSwept(const Incarnation& life) { return (life.closed.flags & trace::kActRange) != 0; }

/// Nothing could come between: one thread did all of it, and the process never had another. Who opened what a process
/// has inherited was another process, and no matter.
bool WasAlone(const FindingRecord& record, const Incarnation& life) {
  const bool inherited = (life.opened.flags & (trace::kActInherited | trace::kActSeenAtEnd)) != 0;
  return (record.act.flags & trace::kActSingleThreaded) != 0 && record.act.thread == life.closed.thread &&
         (inherited || record.act.thread == life.opened.thread) && record.act.image == life.closed.image;
}

/// The first close has freed a FILE* or DIR*: whatever the second one does to the table, it works on freed memory.
bool ClosesStreamTwice(const FindingRecord& record, const Incarnation& life) {
  return (life.flags & (trace::kOwnedByFile | trace::kOwnedByDir)) != 0 && record.act.call == life.closed.call;
}

class DoubleCloses {
 public:
  DoubleCloses(Model& model, const CulpritJudge& judge, Evidence* evidence)
      : model_(model), judge_(judge), evidence_(*evidence) {}

  void Find(Grouping* out);

 private:
  void NoteSweeps();
  bool IsDoubleClose(size_t index) const {
    return evidence_[index].is_close() && judge_[index].history != History::kNone &&
           judge_[index].history != History::kConsequence;
  }
  size_t MeantLife(size_t index) const;
  bool StumblesLikeOthers(const Proof& proof) const;
  Finding MakeFinding(size_t index, size_t meant) const;
  void AddConsequences(size_t index, Finding* finding);

  Model& model_;
  const CulpritJudge& judge_;
  Evidence& evidence_;
  std::map<RangeKey, std::vector<Stumble>> sweeps_;
};

void DoubleCloses::NoteSweeps() {
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    if (evidence_.IsReported(i) || !IsDoubleClose(i) || !WasSwept(proof.last())) continue;
    sweeps_[{proof.process, proof.last().closed.stamp}].push_back({proof.last().opened, proof.record.act});
  }
}

bool DoubleCloses::StumblesLikeOthers(const Proof& proof) const {
  const Incarnation& earlier = proof.before();
  const auto others = sweeps_.find({proof.process, earlier.closed.stamp});
  if (!WasSwept(earlier) || others == sweeps_.end()) return false;
  return std::any_of(others->second.begin(), others->second.end(), [&](const Stumble& other) {
    return HaveSamePath(other.opened, earlier.opened) && HaveSamePath(other.closed_again, proof.record.act);
  });
}

/// The judge says what was meant; but what fails on other numbers of a sweep, by the same call path, means the sweep.
size_t DoubleCloses::MeantLife(size_t index) const {
  const bool had_before = evidence_[index].before().closed.stamp != 0;
  return had_before && StumblesLikeOthers(evidence_[index]) ? 1 : judge_[index].life;
}

Finding DoubleCloses::MakeFinding(size_t index, size_t meant) const {
  const Proof& proof = evidence_[index];
  const FindingRecord& record = proof.record;
  Ruling ruling = judge_[index];
  ruling.life = meant;
  const Incarnation& life = record.lives[meant];
  const bool is_harmless = WasAlone(record, life) && !ClosesStreamTwice(record, life);
  Severity severity = is_harmless ? Severity::kWarning : Severity::kError;
  if (ruling.certainty == Certainty::kOneOf) severity = Severity::kWarning;
  Finding finding = BeginLate(model_, ruling, proof, Kind::kDoubleClose, severity);
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, evidence_.FileOf(index), Role::kClosedAgain, record.act, record.fd));
  finding.events.back().seen_through = ruling.seen_through;
  return finding;
}

/// Others have met it: one of each sort is shown.
void DoubleCloses::AddConsequences(size_t index, Finding* finding) {
  bool has_close = false, has_use = false;
  for (const size_t i : judge_[index].consequences) {
    const Proof& proof = evidence_[i];
    bool* known = proof.is_use() ? &has_use : &has_close;
    const bool is_shown = (proof.is_use() || proof.is_close()) && !std::exchange(*known, true);
    evidence_.MarkReported(i);
    if (!is_shown) continue;
    const Role role = proof.is_use() ? Role::kUsed : Role::kOwnerCloseFailed;
    finding->events.push_back(EventOf(model_, evidence_.FileOf(i), role, proof.record.act, proof.record.fd));
    if (proof.is_use()) TakeIn(Kind::kUseAfterClose, Severity::kError, finding);
  }
  if (has_close || has_use) finding->severity = Severity::kError;
}

void DoubleCloses::Find(Grouping* out) {
  NoteSweeps();
  // One close_range that closed many is one cause, wherever their owners fail afterwards.
  std::map<RangeKey, size_t> ranges;
  std::vector<Finding> findings;
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    if (evidence_.IsReported(i) || !IsDoubleClose(i)) continue;
    const size_t meant = MeantLife(i);
    Finding finding = MakeFinding(i, meant);
    evidence_.Report(i, Role::kClosedAgain, &finding);
    AddConsequences(i, &finding);
    if (WasSwept(proof.record.lives[meant])) {
      const RangeKey range{proof.process, proof.record.lives[meant].closed.stamp};
      const auto [known, is_new] = ranges.try_emplace(range, findings.size());
      if (!is_new) {
        Merge(&findings[known->second], std::move(finding));
        continue;
      }
    }
    findings.push_back(std::move(finding));
  }
  for (Finding& finding : findings) out->Add(std::move(finding));
}

}  // namespace

void FindDoubleCloses(Model& model, const CulpritJudge& judge, Evidence* evidence, Grouping* out) {
  DoubleCloses(model, judge, evidence).Find(out);
}

}  // namespace fdaudit::analyzer
