// wrong-close: a close that hit somebody else's descriptor. Three ways to know.
//
// The shim caught a stale close in the act, while another thread was opening the number, or by an owner that had
// declared itself and has closed its own before (kStaleClose). Or it saw a close of a number that another owner held: a
// FILE*, a DIR* or a declared one (kOwnedClose). Or, backwards: the rightful owner's own close or use
// failed, and the history before it leaves one culprit. Then, in order: the culprit opened the number (O1) and closed
// it (C1); the victim was given it (O0); the culprit closed it once more (C0); the victim's close or use failed (A).
//
// The same acts also fit a victim that handed its descriptor over and then touched it again itself. The difference is
// whose code each act is (a function, by its location; a module), and who closes whose descriptors as a habit.
// No wrong-close, because it was handed over:
//   - C0's function closes what O0's function opens elsewhere too.
//   - O0's or A's function has called C0's.
// Who closed twice, in this order:
//   - C1 failed with EINTR, and C0 is by the same call path: a retry. Proven.
//   - one function did O1, C1 and C0, and others O0 and A: it closes its own twice. Proven.
//   - one function did C1 and C0, O1's function leads to both and to neither of the victim's acts. Proven where the
//     victim closes its own: A is a close in O0's function, or others than C0's function close them elsewhere.
//   - the same where one function called C0's both times, and leads to neither of the victim's acts.
//   - one function did C1 and C0, and O1 is of its module, and O0 and A are of others. Likely where others than C0's
//     function close what O0's opens.
//   - the number's earlier life shows nothing, but others than C0's function close what O0's opens, and C0's function
//     has closed what one other function opens, time and again, and nobody else's. Likely.
//   - only threads say so, or nothing shows whether the victim closes its own: one of two.
//   - else the second close is what is certain, and it is reported as such.

#include <algorithm>
#include <cerrno>
#include <string>
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
      if (evidence_[i].record.kind == FindingKind::kStaleClose) caught_.push_back(i);
    }
    for (size_t i = 0; i < evidence_.size(); ++i) {
      if (evidence_[i].record.kind == FindingKind::kOwnedClose) ReportOwned(i, out);
    }
    for (const size_t i : caught_) {
      if (!evidence_.IsReported(i)) ReportCaught(i, out);
    }
    for (size_t i = 0; i < evidence_.size(); ++i) {
      Certainty certainty;
      if (evidence_.IsReported(i) || !Judge(i, &certainty)) continue;
      ReportHit(i, evidence_[i].last().closed, certainty, out);
    }
  }

 private:
  /// One act: the function that it is in (0 = unknown), those that led there, innermost first, and where it lies.
  struct Deed {
    FunctionId function;
    std::vector<FunctionId> through;
    std::string module;

    bool LeadsThrough(FunctionId other) const {
      return other != 0 && std::find(through.begin(), through.end(), other) != through.end();
    }
  };
  struct History {
    Deed own_open;     // O1
    Deed own_close;    // C1
    Deed victim_open;  // O0
    Deed stale_close;  // C0
    Deed victim_act;   // A
    bool is_close;     ///< A is one
  };

  Deed DeedOf(size_t index, const Act& act);
  bool Judge(size_t index, Certainty* certainty);
  bool JudgeStrangers(const History& acts, Certainty* certainty) const;
  bool IsRetry(size_t index) const;
  bool ClosedElsewhere(const History& acts) const;
  bool WasHandedOver(const Proof& proof, const History& acts) const;
  void ReportCaught(size_t index, Grouping* out);
  void ReportHit(size_t index, const Act& stale, Certainty certainty, Grouping* out);
  void ReportOwned(size_t index, Grouping* out);
  void AddConsequences(size_t index, Finding* finding);

  Model& model_;
  Evidence& evidence_;
  Habits habits_;
  std::vector<size_t> caught_;  // stale closes
};

WrongCloses::Deed WrongCloses::DeedOf(size_t index, const Act& act) {
  const uint32_t file = evidence_.FileOf(index);
  const Frame* frame = model_.paths().Location(model_.PathOf(file, act));
  return {habits_.FunctionOf(file, act), habits_.FunctionsOf(file, act), frame == nullptr ? "" : frame->module};
}

/// Others than C0's function close what the victim's opens.
bool WrongCloses::ClosedElsewhere(const History& acts) const {
  return habits_.ClosedByOthers(acts.victim_open.function, acts.stale_close.function) != 0;
}

bool WrongCloses::WasHandedOver(const Proof& proof, const History& acts) const {
  if (habits_.Closed(acts.victim_open.function, acts.stale_close.function) > proof.record.count) return true;
  if (acts.own_open.function == acts.stale_close.function) return false;
  return acts.stale_close.LeadsThrough(acts.victim_open.function) ||
         acts.stale_close.LeadsThrough(acts.victim_act.function);
}

/// The close before was interrupted by a signal, and the very same call path closed once more.
bool WrongCloses::IsRetry(size_t index) const {
  const Proof& proof = evidence_[index];
  const Act& first = proof.before().closed;
  const Act& again = proof.last().closed;
  return HaveSamePath(first, again) && first.thread == again.thread && first.image == again.image &&
         evidence_.ErrorOf(proof.process, proof.record.fd, proof.before()) == EINTR;
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
  const History acts{DeedOf(index, proof.before().opened), DeedOf(index, proof.before().closed),
                     DeedOf(index, proof.last().opened),   DeedOf(index, proof.last().closed),
                     DeedOf(index, proof.record.act),      proof.is_close()};
  const FunctionId culprit = acts.stale_close.function;
  const bool strangers = culprit != 0 && acts.victim_open.function != 0 && acts.victim_act.function != 0 &&
                         culprit != acts.victim_open.function && culprit != acts.victim_act.function;
  if (strangers && WasHandedOver(proof, acts)) return false;
  if (strangers && had_own && IsRetry(index)) return true;
  const bool one_closer = acts.own_close.function == culprit && acts.own_open.function != 0;
  if (strangers && had_own && one_closer && acts.own_open.function != acts.victim_open.function) {
    if (JudgeStrangers(acts, certainty)) return *certainty != Certainty::kOneOf || proof.is_close();
  }
  if (strangers && habits_.ClosesForOne(culprit) && ClosedElsewhere(acts)) {
    *certainty = Certainty::kLikely;
    return true;
  }
  *certainty = Certainty::kOneOf;
  const bool other_opener = HaveOtherPaths(proof.before().opened, proof.last().opened);
  return proof.is_close() && had_own && other_opener && OneThreadDidIt(proof);
}

/// One function closed both, and nobody has called it for the victim. False: nothing ties it to its first descriptor.
bool WrongCloses::JudgeStrangers(const History& acts, Certainty* certainty) const {
  *certainty = Certainty::kProven;
  const FunctionId culprit = acts.stale_close.function;
  if (acts.own_open.function == culprit) return true;
  const auto leads_to_victim = [&acts](FunctionId function) {
    return acts.victim_open.LeadsThrough(function) || acts.victim_act.LeadsThrough(function);
  };
  const auto ties = [&](FunctionId function) {
    return acts.own_close.LeadsThrough(function) && acts.stale_close.LeadsThrough(function) &&
           !leads_to_victim(function);
  };
  const bool has_callers = acts.own_close.through.size() > 1 && acts.stale_close.through.size() > 1;
  const bool one_caller = has_callers && acts.own_close.through[1] == acts.stale_close.through[1];
  const bool closes_its_own =
      ClosedElsewhere(acts) || (acts.is_close && acts.victim_act.function == acts.victim_open.function);
  if (ties(acts.own_open.function) || (one_caller && ties(acts.stale_close.through[1]))) {
    if (!closes_its_own) *certainty = Certainty::kOneOf;
    return true;
  }
  const std::string& module = acts.stale_close.module;
  const bool one_module = acts.own_open.module == module && acts.own_close.module == module;
  *certainty = ClosedElsewhere(acts) ? Certainty::kLikely : Certainty::kOneOf;
  return one_module && acts.victim_open.module != module && acts.victim_act.module != module;
}

bool IsSameCause(const Proof& a, const Proof& b) {
  if (&a == &b) return true;
  return a.process == b.process && HaveSamePath(a.last().opened, b.last().opened) &&
         HaveSamePath(a.last().closed, b.last().closed) && HaveSamePath(a.before().opened, b.before().opened);
}

bool IsSameAct(const Proof& a, const Proof& b) {
  return HaveSamePath(a.record.act, b.record.act) && a.record.act.call == b.record.act.call;
}

/// Of one cause: how often, and by which proofs.
struct Proofs {
  std::vector<size_t> indices;
  uint64_t rounds = 0;

  void Add(size_t index, const Proof& proof) {
    indices.push_back(index);
    rounds += proof.record.count;
  }
};

/// A stale close that was caught in the act. Whether the victim's next act failed too, and was recorded, is another
/// matter: of many rounds of one cause some are reported by this and some by that, and most by both. Threads that
/// recorded at the same time may each have made a record, so one cause can have several of either. A declared owner
/// that has closed its own before may hold this one too, and have forgotten to say so: there the victim has to have met
/// it.
void WrongCloses::ReportCaught(size_t index, Grouping* out) {
  const Proof& first = evidence_[index];
  Proofs caught, failures;
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    if (evidence_.IsReported(i)) continue;
    if (proof.record.kind == FindingKind::kStaleClose && IsSameCause(proof, first)) caught.Add(i, proof);
    const bool is_failure = (proof.is_close() || proof.is_use()) && IsSameCause(proof, first);
    if (is_failure && (failures.rounds == 0 || IsSameAct(proof, evidence_[failures.indices[0]])))
      failures.Add(i, proof);
  }
  for (const size_t i : caught.indices) evidence_.MarkReported(i);
  const bool by_owner = (first.last().flags & trace::kStaleHit) == 0;
  if (by_owner && failures.rounds == 0) return;
  if (failures.rounds >= caught.rounds) {
    for (const size_t i : failures.indices) {
      if (!evidence_.IsReported(i)) ReportHit(i, evidence_[i].last().closed, Certainty::kProven, out);
    }
    return;
  }
  for (const size_t i : failures.indices) evidence_.MarkReported(i);
  for (const size_t i : caught.indices) ReportHit(i, evidence_[i].record.act, Certainty::kProven, out);
}

/// `stale` is the culprit's second close of the proof's last life.
void WrongCloses::ReportHit(size_t index, const Act& stale, Certainty certainty, Grouping* out) {
  const Proof& proof = evidence_[index];
  const uint32_t file = evidence_.FileOf(index);
  Finding finding{Kind::kWrongClose, certainty == Certainty::kOneOf ? Severity::kWarning : Severity::kError, certainty};
  finding.processes = {proof.process};
  TakeNumbers(model_, proof, 0, &finding);
  if (proof.before().opened.stamp != 0) {
    AddOpening(model_, proof.process, proof.before(), proof.record.fd, &finding.events);
  }
  if (proof.before().closed.stamp != 0) {
    finding.error = evidence_.TakeErrorOf(proof.process, proof.record.fd, proof.before());
    finding.events.push_back(EventOf(model_, file, Role::kClosed, proof.before().closed, proof.record.fd));
  }
  finding.events.push_back(EventOf(model_, file, Role::kReopened, proof.last().opened, proof.record.fd));
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, file, Role::kClosedAgain, stale, proof.record.fd));
  if (proof.is_close() || proof.is_use()) {
    const Role role = proof.is_use() ? Role::kUsed : Role::kOwnerCloseFailed;
    finding.events.push_back(EventOf(model_, file, role, proof.record.act, proof.record.fd));
  }
  evidence_.Report(index, Role::kOwnerCloseFailed, &finding);
  out->Add(std::move(finding));
}

/// Who held it, where that is more than the function that opened it.
std::string HolderOf(const trace::Incarnation& life) {
  if ((life.opened.flags & trace::kActOwned) == 0) return "a stream";
  constexpr const char* kTypes[] = {"",
                                    "a stream",
                                    "a stream",
                                    "a unique_fd",
                                    "an sqlite file",
                                    "a FileInputStream",
                                    "a FileOutputStream",
                                    "a RandomAccessFile",
                                    "a ParcelFileDescriptor",
                                    "an FdFile",
                                    "a DatagramSocketImpl",
                                    "a SocketImpl",
                                    "a ZipArchive",
                                    "a native_handle_t",
                                    "a Parcel"};
  const uint64_t type = life.owner >> 56;
  const bool is_known = type != 0 && type < std::size(kTypes);
  return is_known ? std::string("its owner, ") + kTypes[type] + "," : "its declared owner";
}

/// The owner closed it too, after all, and by then the number was somebody else's. What that one met follows from it.
void WrongCloses::AddConsequences(size_t index, Finding* finding) {
  const Proof& first = evidence_[index];
  for (const size_t i : caught_) {
    const Proof& proof = evidence_[i];
    const bool follows = proof.process == first.process && proof.record.fd == first.record.fd &&
                         proof.before().opened.stamp == first.last().opened.stamp &&
                         proof.before().closed.stamp == first.last().closed.stamp;
    if (evidence_.IsReported(i) || !follows || proof.record.count > first.record.count) continue;
    finding->events.push_back(
        EventOf(model_, evidence_.FileOf(i), Role::kOwnerCloseFailed, proof.record.act, proof.record.fd));
    evidence_.Report(i, Role::kOwnerCloseFailed, finding);
  }
}

/// A close of what another owner held.
void WrongCloses::ReportOwned(size_t index, Grouping* out) {
  const Proof& proof = evidence_[index];
  Finding finding{Kind::kWrongClose, Severity::kError};
  finding.processes = {proof.process};
  TakeNumbers(model_, proof, 0, &finding);
  AddOpening(model_, proof.process, proof.last(), proof.record.fd, &finding.events);
  finding.deciding = finding.events.size();
  finding.holder = HolderOf(proof.last());
  finding.events.push_back(EventOf(model_, evidence_.FileOf(index), Role::kClosed, proof.record.act, proof.record.fd));
  AddConsequences(index, &finding);
  evidence_.Report(index, Role::kOwnerCloseFailed, &finding);
  out->Add(std::move(finding));
}

}  // namespace

void FindWrongCloses(Model& model, Evidence* evidence, Grouping* out) { WrongCloses(model, evidence).Find(out); }

}  // namespace fdaudit::analyzer
