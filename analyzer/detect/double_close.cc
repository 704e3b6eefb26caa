// double-close: a close failed with EBADF on a number whose opening and first close in this process were both recorded.
//
// Which life of the number did the failing close mean? Usually the last one. But in between the number may have been
// opened and closed, properly, by somebody else (a traceback that reads the source file): then the one before is meant,
// and it was luck that nothing was hit. That is reported where there are signs of it:
//   - one close_range closed several numbers, and the same call path fails on this number and others of them; or
//   - the failing close is in the function that opened the earlier life, or is the very call path that closed it, and
//     the later life is another's.

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

using trace::FindingRecord;
using trace::Incarnation;

using RangeKey = std::pair<ProcessIndex, uint64_t>;  // process, stamp of its close_range

struct Stumble {
  trace::Act opened;
  trace::Act closed_again;
};

/// A close that nobody recorded (a raw system call) is coverage: nobody is accused of having done it twice.
bool IsWhole(const Incarnation& life) {
  return life.closed.stamp != 0 && (life.closed.flags & trace::kActSeenAtEnd) == 0;
}

bool IsDoubleClose(const Proof& proof) { return proof.is_close() && IsWhole(proof.last()); }

bool WasSwept(const Incarnation& life) { return (life.closed.flags & trace::kActRange) != 0; }

/// Nothing could come between: one thread did all of it, and the process never had another. Who opened what a process
/// has inherited was another process, and no matter.
bool WasAlone(const FindingRecord& record, const Incarnation& life) {
  const bool inherited = (life.opened.flags & (trace::kActInherited | trace::kActSeenAtEnd)) != 0;
  return (record.act.flags & trace::kActSingleThreaded) != 0 && record.act.thread == life.closed.thread &&
         (inherited || record.act.thread == life.opened.thread) && record.act.image == life.closed.image;
}

class DoubleCloses {
 public:
  DoubleCloses(Model& model, Evidence* evidence) : model_(model), evidence_(*evidence) {}

  void Find(Grouping* out);

 private:
  void NoteSweeps();
  size_t MeantLife(const Proof& proof) const;
  bool StumblesLikeOthers(const Proof& proof) const;
  bool IsEarlierOwners(const Proof& proof) const;
  Finding MakeFinding(const Proof& proof, size_t life) const;

  Model& model_;
  Evidence& evidence_;
  std::map<RangeKey, std::vector<Stumble>> sweeps_;
};

void DoubleCloses::NoteSweeps() {
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    if (evidence_.IsReported(i) || !IsDoubleClose(proof) || !WasSwept(proof.last())) continue;
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

bool DoubleCloses::IsEarlierOwners(const Proof& proof) const {
  const uint32_t file = model_.processes()[proof.process].file;
  const PathId act = model_.PathOf(file, proof.record.act);
  const auto is_of = [&](const trace::Act& other) {
    return model_.paths().InSameFunction(act, model_.PathOf(file, other));
  };
  const auto& [later, earlier] = proof.record.lives;
  // A function that closes for everybody (an interpreter's) says nothing; its whole call path does.
  const bool is_earliers = is_of(earlier.opened) || HaveSamePath(earlier.closed, proof.record.act);
  return is_earliers && !is_of(later.opened) && !is_of(later.closed) && HaveOtherPaths(earlier.opened, later.opened);
}

size_t DoubleCloses::MeantLife(const Proof& proof) const {
  if (!IsWhole(proof.before())) return 0;
  return StumblesLikeOthers(proof) || IsEarlierOwners(proof) ? 1 : 0;
}

Finding DoubleCloses::MakeFinding(const Proof& proof, size_t meant) const {
  const FindingRecord& record = proof.record;
  const Incarnation& life = record.lives[meant];
  const uint32_t file = model_.processes()[proof.process].file;
  const Severity severity = WasAlone(record, life) ? Severity::kWarning : Severity::kError;
  Finding finding = BeginFinding(model_, proof, meant, Kind::kDoubleClose, severity);
  AddClosing(model_, proof.process, life, record.fd, &finding.events);
  if (meant == 1) {
    finding.events.push_back(EventOf(model_, file, Role::kReopened, record.lives[0].opened, record.fd));
    finding.events.push_back(EventOf(model_, file, Role::kClosed, record.lives[0].closed, record.fd));
  }
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, file, Role::kClosedAgain, record.act, record.fd));
  return finding;
}

void DoubleCloses::Find(Grouping* out) {
  NoteSweeps();
  // One close_range that closed many is one cause, wherever their owners fail afterwards.
  std::map<RangeKey, size_t> ranges;
  std::vector<Finding> findings;
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    if (evidence_.IsReported(i) || !IsDoubleClose(proof)) continue;
    const size_t meant = MeantLife(proof);
    Finding finding = MakeFinding(proof, meant);
    evidence_.Report(i, Role::kClosedAgain, &finding);
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

void FindDoubleCloses(Model& model, Evidence* evidence, Grouping* out) { DoubleCloses(model, evidence).Find(out); }

}  // namespace fdaudit::analyzer
