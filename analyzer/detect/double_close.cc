// double-close: a close failed with EBADF on a number whose opening and first close in this process were both recorded.
//
// Which life of the number did the failing close mean? Usually the last one. But in between the number may have been
// opened and closed, properly, by somebody else (a traceback that reads the source file): then the one before is meant,
// and it was luck that nothing was hit. That is told where it shows:
//   - one close_range took several numbers away, and the same call path stumbles over this number and others of them;
//   or
//   - the failing close is in the function that opened or closed the earlier life, and the later life is another's.

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
  uint32_t opened;  // stacks
  uint32_t closed_again;
};

/// A close that nobody recorded (a raw system call) is coverage: nobody is accused of having done it twice.
bool IsWhole(const Incarnation& life) {
  return life.closed.stamp != 0 && (life.closed.flags & trace::kActSeenAtEnd) == 0;
}

bool IsDoubleClose(const FindingRecord& record) {
  return record.kind == trace::FindingKind::kFailedClose && IsWhole(record.lives[0]);
}

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
  DoubleCloses(Model& model, const std::vector<CloseRecord>& closes) : model_(model), closes_(closes) {}

  void Find(std::vector<bool>* told, Grouping* out);

 private:
  void NoteSweeps(const std::vector<bool>& told);
  size_t MeantLife(const CloseRecord& close) const;
  bool StumblesLikeOthers(const CloseRecord& close) const;
  bool IsEarlierOwners(const CloseRecord& close) const;
  Finding Tell(const CloseRecord& close, size_t life) const;

  Model& model_;
  const std::vector<CloseRecord>& closes_;
  std::map<RangeKey, std::vector<Stumble>> sweeps_;
};

void DoubleCloses::NoteSweeps(const std::vector<bool>& told) {
  for (size_t i = 0; i < closes_.size(); ++i) {
    const FindingRecord& record = closes_[i].record;
    if (told[i] || !IsDoubleClose(record) || !WasSwept(record.lives[0])) continue;
    sweeps_[{closes_[i].process, record.lives[0].closed.stamp}].push_back(
        {record.lives[0].opened.stack, record.act.stack});
  }
}

bool DoubleCloses::StumblesLikeOthers(const CloseRecord& close) const {
  const Incarnation& earlier = close.record.lives[1];
  const auto others = sweeps_.find({close.process, earlier.closed.stamp});
  if (!WasSwept(earlier) || others == sweeps_.end()) return false;
  return std::any_of(others->second.begin(), others->second.end(), [&](const Stumble& other) {
    return other.opened == earlier.opened.stack && other.closed_again == close.record.act.stack;
  });
}

bool DoubleCloses::IsEarlierOwners(const CloseRecord& close) const {
  const uint32_t file = model_.processes()[close.process].file;
  const PathId act = model_.PathOf(file, close.record.act);
  const auto is_of = [&](const trace::Act& other) {
    return model_.paths().InSameFunction(act, model_.PathOf(file, other));
  };
  const auto& [later, earlier] = close.record.lives;
  return (is_of(earlier.opened) || is_of(earlier.closed)) && !is_of(later.opened) && !is_of(later.closed) &&
         earlier.opened.stack != later.opened.stack;
}

size_t DoubleCloses::MeantLife(const CloseRecord& close) const {
  if (!IsWhole(close.record.lives[1])) return 0;
  return StumblesLikeOthers(close) || IsEarlierOwners(close) ? 1 : 0;
}

Finding DoubleCloses::Tell(const CloseRecord& close, size_t meant) const {
  const FindingRecord& record = close.record;
  const Incarnation& life = record.lives[meant];
  const uint32_t file = model_.processes()[close.process].file;
  Finding finding(Kind::kDoubleClose, WasAlone(record, life) ? Severity::kWarning : Severity::kError);
  finding.processes = {close.process};
  TakeNumbers(model_, close, meant, &finding);
  TellOpening(model_, close.process, life, record.fd, &finding.events);
  TellClosing(model_, close.process, life, record.fd, &finding.events);
  if (meant == 1) {
    finding.events.push_back(EventOf(model_, file, Role::kReopened, record.lives[0].opened, record.fd));
    finding.events.push_back(EventOf(model_, file, Role::kClosed, record.lives[0].closed, record.fd));
  }
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, file, Role::kClosedAgain, record.act, record.fd));
  return finding;
}

void DoubleCloses::Find(std::vector<bool>* told, Grouping* out) {
  NoteSweeps(*told);
  // One close_range that took many away is one cause, wherever their owners then stumble.
  std::map<RangeKey, size_t> ranges;
  std::vector<Finding> findings;
  for (size_t i = 0; i < closes_.size(); ++i) {
    const FindingRecord& record = closes_[i].record;
    if ((*told)[i] || !IsDoubleClose(record)) continue;
    (*told)[i] = true;
    const size_t meant = MeantLife(closes_[i]);
    Finding finding = Tell(closes_[i], meant);
    if (WasSwept(record.lives[meant])) {
      const RangeKey range{closes_[i].process, record.lives[meant].closed.stamp};
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

void FindDoubleCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out) {
  DoubleCloses(model, closes).Find(told, out);
}

}  // namespace fdaudit::analyzer
