// wrong-close: a close that hit somebody else's descriptor. Two ways to know: the shim caught a stale close in the act,
// or the victim's own close failed, and the history before it leaves one culprit.
//
// In order: the culprit opened the number (O1) and closed it (C1); the victim was given it (O0); the culprit closed it
// once more (C0); the victim's close failed (A). The same five acts also fit a victim that handed its descriptor over
// and then closed it itself, a plain double-close. What tells them apart is whose code each act is:
//   - O1, C1 and C0 are in one function, O0 and A outside of it: that function closes its own twice. Proven.
//   - only the threads say so (O1, C1, C0 in one, O0 and A in another): a worker that is given descriptors to close
//     looks just the same. One of two.
//   - else the victim's second close is what is certain, and it is told as a double-close.

#include <map>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

using trace::Act;
using trace::FindingKind;
using trace::FindingRecord;

struct Acts {
  const Act& own_open;      // O1
  const Act& own_close;     // C1
  const Act& victim_open;   // O0
  const Act& stale_close;   // C0
  const Act& victim_close;  // A
};

bool OneFunctionDidIt(Model& model, uint32_t file, const Acts& acts) {
  CallPaths& paths = model.paths();
  const PathId culprit = model.PathOf(file, acts.stale_close);
  const auto is_culprits = [&](const Act& act) { return paths.InSameFunction(model.PathOf(file, act), culprit); };
  return is_culprits(acts.own_open) && is_culprits(acts.own_close) && !is_culprits(acts.victim_open) &&
         !is_culprits(acts.victim_close) && model.PathOf(file, acts.victim_open) != kNoPath &&
         model.PathOf(file, acts.victim_close) != kNoPath;
}

bool OneThreadDidIt(const Acts& acts) {
  const uint32_t culprit = acts.stale_close.thread;
  const uint32_t victim = acts.victim_close.thread;
  return culprit != 0 && culprit != victim && acts.own_open.thread == culprit && acts.own_close.thread == culprit &&
         acts.victim_open.thread == victim;
}

/// What the history of a failed close proves: false = no wrong-close.
bool Judge(Model& model, uint32_t file, const FindingRecord& record, Certainty* certainty) {
  const Acts acts{record.lives[1].opened, record.lives[1].closed, record.lives[0].opened, record.lives[0].closed,
                  record.act};
  *certainty = Certainty::kProven;
  if (acts.victim_open.stamp == 0 || acts.stale_close.stamp == 0) return false;
  if (acts.own_open.stamp == 0 || acts.own_close.stamp == 0) return false;
  if ((acts.stale_close.flags & (trace::kActRange | trace::kActOverwrote | trace::kActSeenAtEnd)) != 0) return false;
  if ((record.lives[0].flags & trace::kStaleHit) != 0) return true;
  if (acts.victim_open.stack == acts.own_open.stack) return false;
  if (OneFunctionDidIt(model, file, acts)) return true;
  *certainty = Certainty::kOneOf;
  return OneThreadDidIt(acts);
}

/// `stale` is the culprit's second close, `victim` the life that it hit.
Finding Tell(Model& model, const CloseRecord& close, const Act& stale, Certainty certainty) {
  const FindingRecord& record = close.record;
  const uint32_t file = model.processes()[close.process].file;
  Finding finding{Kind::kWrongClose, certainty == Certainty::kProven ? Severity::kError : Severity::kWarning,
                  certainty};
  finding.processes = {close.process};
  TakeNumbers(model, close, 0, &finding);
  if (record.lives[1].opened.stamp != 0) {
    TellOpening(model, close.process, record.lives[1], record.fd, &finding.events);
  }
  if (record.lives[1].closed.stamp != 0) {
    finding.events.push_back(EventOf(model, file, Role::kClosed, record.lives[1].closed, record.fd));
  }
  finding.events.push_back(EventOf(model, file, Role::kReopened, record.lives[0].opened, record.fd));
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model, file, Role::kClosedAgain, stale, record.fd));
  return finding;
}

using VictimKey = std::pair<ProcessIndex, uint64_t>;  // process, stamp of the victim's opening

void TellStaleCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out) {
  std::map<VictimKey, size_t> failed;  // the victims' own closes
  for (size_t i = 0; i < closes.size(); ++i) {
    const FindingRecord& record = closes[i].record;
    if (record.kind != FindingKind::kFailedClose || record.lives[0].opened.stamp == 0) continue;
    failed.try_emplace({closes[i].process, record.lives[0].opened.stamp}, i);
  }
  for (size_t i = 0; i < closes.size(); ++i) {
    const FindingRecord& record = closes[i].record;
    if (record.kind != FindingKind::kStaleClose) continue;
    (*told)[i] = true;
    Finding finding = Tell(model, closes[i], record.act, Certainty::kProven);
    const auto victim = failed.find({closes[i].process, record.lives[0].opened.stamp});
    if (victim != failed.end() && !(*told)[victim->second]) {
      (*told)[victim->second] = true;
      const uint32_t file = model.processes()[closes[i].process].file;
      const FindingRecord& evidence = closes[victim->second].record;
      finding.events.push_back(EventOf(model, file, Role::kOwnerCloseFailed, evidence.act, evidence.fd));
    }
    out->Add(std::move(finding));
  }
}

}  // namespace

void FindWrongCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out) {
  TellStaleCloses(model, closes, told, out);
  for (size_t i = 0; i < closes.size(); ++i) {
    const FindingRecord& record = closes[i].record;
    const uint32_t file = model.processes()[closes[i].process].file;
    Certainty certainty;
    if ((*told)[i] || record.kind != FindingKind::kFailedClose || !Judge(model, file, record, &certainty)) continue;
    (*told)[i] = true;
    Finding finding = Tell(model, closes[i], record.lives[0].closed, certainty);
    finding.events.push_back(EventOf(model, file, Role::kOwnerCloseFailed, record.act, record.fd));
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
