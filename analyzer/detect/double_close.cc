// double-close: a close failed with EBADF on a number whose opening and first close in this process were both recorded.

#include <map>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

bool IsDoubleClose(const trace::FindingRecord& record) {
  if (record.kind != trace::FindingKind::kFailedClose) return false;
  const trace::Incarnation& life = record.lives[0];
  // A close that nobody recorded (a raw system call) is coverage: nobody is accused of having done it twice.
  return life.opened.stamp != 0 && life.closed.stamp != 0 && (life.closed.flags & trace::kActSeenAtEnd) == 0;
}

/// Nothing could come between: one thread did all of it, and the process never had another.
bool WasAlone(const trace::FindingRecord& record) {
  const trace::Incarnation& life = record.lives[0];
  return (record.act.flags & trace::kActSingleThreaded) != 0 && record.act.thread == life.closed.thread &&
         record.act.thread == life.opened.thread && record.act.image == life.closed.image;
}

Finding Tell(Model& model, const CloseRecord& close) {
  const trace::FindingRecord& record = close.record;
  Finding finding{Kind::kDoubleClose, WasAlone(record) ? Severity::kWarning : Severity::kError};
  finding.processes = {close.process};
  TakeNumbers(model, close, &finding);
  TellOpening(model, close.process, record.lives[0], record.fd, &finding.events);
  TellClosing(model, close.process, record.lives[0], record.fd, &finding.events);
  finding.deciding = finding.events.size();
  const uint32_t file = model.processes()[close.process].file;
  finding.events.push_back(EventOf(model, file, Role::kClosedAgain, record.act, record.fd));
  return finding;
}

}  // namespace

void FindDoubleCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out) {
  // One close_range that took many away is one cause, wherever their owners then stumble.
  std::map<std::pair<ProcessIndex, uint64_t>, size_t> ranges;  // process, stamp of the close_range
  std::vector<Finding> findings;
  for (size_t i = 0; i < closes.size(); ++i) {
    const trace::FindingRecord& record = closes[i].record;
    if ((*told)[i] || !IsDoubleClose(record)) continue;
    (*told)[i] = true;
    Finding finding = Tell(model, closes[i]);
    if ((record.lives[0].closed.flags & trace::kActRange) != 0) {
      const auto [known, is_new] =
          ranges.try_emplace({closes[i].process, record.lives[0].closed.stamp}, findings.size());
      if (!is_new) {
        Merge(&findings[known->second], std::move(finding));
        continue;
      }
    }
    findings.push_back(std::move(finding));
  }
  for (Finding& finding : findings) out->Add(std::move(finding));
}

}  // namespace fdaudit::analyzer
