// wrong-close: a close that hit somebody else's descriptor. Three ways to know.
//
// The shim caught a stale close in the act, while another thread was opening the number (kStaleClose). Or it saw a
// close() of a number that a FILE* or DIR* held (kOwnedClose). Or, backwards: the rightful owner's own close or use
// failed, and the history before it leaves one culprit. Then, in order: the culprit opened the number (O1) and closed
// it (C1); the victim was given it (O0); the culprit closed it once more (C0); the victim's close or use failed (A).
//
// The same acts also fit a victim that handed its descriptor over and then touched it again itself. What tells the two
// apart is whose code each act is (a function, by its location), and who closes whose descriptors as a habit:
//   - C0's function closes what O0's function opens elsewhere too: it was handed over. No wrong-close.
//   - one function did O1, C1 and C0, and others O0 and A: it closes its own twice. Proven.
//   - C0's function, called from the victim's, was handed it. No wrong-close.
//   - C0's function, called from the same one that has nothing to do with the victim, had closed the number before,
//   when
//     another than the victim had opened it. Proven where the victim closes its own: A is a close in O0's function, or
//     others than C0's function close them elsewhere.
//   - the number's earlier life tells nothing, but others than C0's function close what O0's opens, and C0's function
//   has
//     closed what one other function opens, time and again, and nobody else's. Likely.
//   - only threads say so, or nothing tells whether the victim closes its own: one of two.
//   - else the second close is what is certain, and it is told as such.

#include <algorithm>
#include <vector>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/habits.h"

namespace fdaudit::analyzer {
namespace {

using trace::Act;
using trace::FindingKind;

bool IsPlainClose(const Act& act) {
  return act.stamp != 0 && (act.flags & (trace::kActRange | trace::kActOverwrote | trace::kActSeenAtEnd)) == 0;
}

class WrongCloses {
 public:
  WrongCloses(Model& model, Evidence* evidence) : model_(model), evidence_(*evidence), habits_(model, *evidence) {}

  void Find(Grouping* out) {
    for (size_t i = 0; i < evidence_.size(); ++i) {
      const FindingKind kind = evidence_[i].record.kind;
      if (kind == FindingKind::kStaleClose) TellHit(i, evidence_[i].record.act, Certainty::kProven, out);
      if (kind == FindingKind::kOwnedClose) TellOwned(i, out);
    }
    for (size_t i = 0; i < evidence_.size(); ++i) {
      Certainty certainty;
      if (evidence_.IsTold(i) || !Judge(i, &certainty)) continue;
      TellHit(i, evidence_[i].last().closed, certainty, out);
    }
  }

 private:
  /// Who did what; functions by id, 0 = unknown.
  struct Acts {
    FunctionId own_open;     // O1
    FunctionId own_close;    // C1
    FunctionId victim_open;  // O0
    FunctionId stale_close;  // C0
    FunctionId victim_act;   // A
  };

  bool Judge(size_t index, Certainty* certainty);
  bool ClosesItsOwn(const Acts& acts, bool is_close) const;
  bool WasHandedOver(size_t index, const Acts& acts);
  bool OneCallerClosedTwice(size_t index);
  void TellHit(size_t index, const Act& stale, Certainty certainty, Grouping* out);
  void TellOwned(size_t index, Grouping* out);

  Model& model_;
  Evidence& evidence_;
  Habits habits_;
};

/// The victim is the one who closes what it opens.
bool WrongCloses::ClosesItsOwn(const Acts& acts, bool is_close) const {
  if (acts.victim_open == 0) return false;
  if (is_close && acts.victim_act == acts.victim_open) return true;
  return habits_.ClosedByOthers(acts.victim_open, acts.stale_close) != 0;
}

bool WrongCloses::WasHandedOver(size_t index, const Acts& acts) {
  const Proof& proof = evidence_[index];
  if (habits_.Closed(acts.victim_open, acts.stale_close) > proof.record.count) return true;
  if (acts.own_open == acts.stale_close) return false;
  const std::vector<FunctionId> through = habits_.FunctionsOf(evidence_.FileOf(index), proof.last().closed);
  return std::find(through.begin(), through.end(), acts.victim_open) != through.end();
}

/// One and the same function had the closing function close the number both times, and it is none that leads to the
/// victim as well (main does so always).
bool WrongCloses::OneCallerClosedTwice(size_t index) {
  const Proof& proof = evidence_[index];
  const uint32_t file = evidence_.FileOf(index);
  const std::vector<FunctionId> first = habits_.FunctionsOf(file, proof.before().closed);
  const std::vector<FunctionId> second = habits_.FunctionsOf(file, proof.last().closed);
  if (first.size() < 2 || second.size() < 2 || first[0] != second[0] || first[1] != second[1]) return false;
  for (const Act* victims : {&proof.last().opened, &proof.record.act}) {
    const std::vector<FunctionId> through = habits_.FunctionsOf(file, *victims);
    if (std::find(through.begin(), through.end(), first[1]) != through.end()) return false;
  }
  return first[1] != 0;
}

bool OneThreadDidIt(const Proof& proof) {
  const uint32_t culprit = proof.last().closed.thread;
  const uint32_t victim = proof.record.act.thread;
  return culprit != 0 && culprit != victim && proof.before().opened.thread == culprit &&
         proof.before().closed.thread == culprit && proof.last().opened.thread == victim;
}

/// What the history of a failed close or use proves: false = no wrong-close.
bool WrongCloses::Judge(size_t index, Certainty* certainty) {
  const Proof& proof = evidence_[index];
  const bool is_failure = proof.is_close() || proof.is_use();
  if (!is_failure || proof.last().opened.stamp == 0 || !IsPlainClose(proof.last().closed)) return false;
  *certainty = Certainty::kProven;
  const bool had_own = proof.before().opened.stamp != 0 && IsPlainClose(proof.before().closed);
  if (had_own && (proof.last().flags & trace::kStaleHit) != 0) return true;
  const uint32_t file = evidence_.FileOf(index);
  const Acts acts{habits_.FunctionOf(file, proof.before().opened), habits_.FunctionOf(file, proof.before().closed),
                  habits_.FunctionOf(file, proof.last().opened), habits_.FunctionOf(file, proof.last().closed),
                  habits_.FunctionOf(file, proof.record.act)};
  const bool strangers = acts.stale_close != 0 && acts.victim_open != 0 && acts.victim_act != 0 &&
                         acts.stale_close != acts.victim_open && acts.stale_close != acts.victim_act;
  const bool other_opener = proof.before().opened.stack != proof.last().opened.stack;
  if (strangers && WasHandedOver(index, acts)) return false;
  if (strangers && had_own && acts.own_close == acts.stale_close && acts.own_open != acts.victim_open) {
    if (acts.own_open == acts.stale_close) return true;
    if (acts.own_open != 0 && OneCallerClosedTwice(index)) {
      const bool whole = ClosesItsOwn(acts, proof.is_close());
      *certainty = whole ? Certainty::kProven : Certainty::kOneOf;
      return whole || proof.is_close();
    }
  }
  if (strangers && habits_.ClosesForOne(acts.stale_close) &&
      habits_.ClosedByOthers(acts.victim_open, acts.stale_close) != 0) {
    *certainty = Certainty::kLikely;
    return true;
  }
  *certainty = Certainty::kOneOf;
  return proof.is_close() && had_own && other_opener && OneThreadDidIt(proof);
}

/// `stale` is the culprit's second close of the proof's last life.
void WrongCloses::TellHit(size_t index, const Act& stale, Certainty certainty, Grouping* out) {
  const Proof& proof = evidence_[index];
  const uint32_t file = evidence_.FileOf(index);
  Finding finding{Kind::kWrongClose, certainty == Certainty::kOneOf ? Severity::kWarning : Severity::kError, certainty};
  finding.processes = {proof.process};
  TakeNumbers(model_, proof, 0, &finding);
  if (proof.before().opened.stamp != 0) {
    TellOpening(model_, proof.process, proof.before(), proof.record.fd, &finding.events);
  }
  if (proof.before().closed.stamp != 0) {
    finding.events.push_back(EventOf(model_, file, Role::kClosed, proof.before().closed, proof.record.fd));
  }
  finding.events.push_back(EventOf(model_, file, Role::kReopened, proof.last().opened, proof.record.fd));
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, file, Role::kClosedAgain, stale, proof.record.fd));
  if (proof.is_close() || proof.is_use()) {
    const Role role = proof.is_use() ? Role::kUsed : Role::kOwnerCloseFailed;
    finding.events.push_back(EventOf(model_, file, role, proof.record.act, proof.record.fd));
  }
  evidence_.Tell(index, Role::kOwnerCloseFailed, &finding);
  out->Add(std::move(finding));
}

/// A close of what a stream held.
void WrongCloses::TellOwned(size_t index, Grouping* out) {
  const Proof& proof = evidence_[index];
  Finding finding{Kind::kWrongClose, Severity::kError};
  finding.processes = {proof.process};
  TakeNumbers(model_, proof, 0, &finding);
  TellOpening(model_, proof.process, proof.last(), proof.record.fd, &finding.events);
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, evidence_.FileOf(index), Role::kClosed, proof.record.act, proof.record.fd));
  evidence_.Tell(index, Role::kOwnerCloseFailed, &finding);
  out->Add(std::move(finding));
}

}  // namespace

void FindWrongCloses(Model& model, Evidence* evidence, Grouping* out) { WrongCloses(model, evidence).Find(out); }

}  // namespace fdaudit::analyzer
