// wrong-close: a close that hit somebody else's descriptor. The shim saw a close of a number that another owner held: a
// FILE*, a DIR* or a declared one (kOwnedClose). Or a declared owner closed by its tag what was not its own any more
// (kStaleClose without a race). Or the judge has ruled that the close before a failing close or use was a second close
// by the owner of an earlier life, or that the shim caught such a one in the act:
//
//   O1 opened   C1 closed   O0 reopened (the victim)   C0 closed-again (the culprit)   A owner-close-failed, or used
//
// judge/weights.h says what that is decided by.

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/judge/judge.h"

namespace fdaudit::analyzer {
namespace {

using trace::Act;
using trace::FindingKind;

/// Of one cause: how often, and by which proofs.
struct Proofs {
  std::vector<size_t> indices;
  uint64_t rounds = 0;

  void Add(size_t index, const Proof& proof) {
    indices.push_back(index);
    rounds += proof.record.count;
  }
};

class WrongCloses {
 public:
  WrongCloses(Model& model, const CulpritJudge& judge, Evidence* evidence)
      : model_(model), judge_(judge), evidence_(*evidence) {}

  void Find(Grouping* out);

 private:
  /// Process, stacks of O0, C0 and O1; where one of these was lost, the proof's index.
  using CauseKey = std::tuple<ProcessIndex, uint32_t, uint32_t, uint32_t, size_t>;
  struct Cause {
    Proofs caught;
    Proofs failures;
  };

  CauseKey KeyOf(size_t index) const {
    const Proof& proof = evidence_[index];
    const bool is_lost =
        HasLostPath(proof.last().opened) || HasLostPath(proof.last().closed) || HasLostPath(proof.before().opened);
    return {proof.process, proof.last().opened.stack, proof.last().closed.stack, proof.before().opened.stack,
            is_lost ? index + 1 : 0};
  }
  void ReportCause(const Cause& cause, Grouping* out);
  void ReportHit(size_t index, const Act& stale, bool by_owner, Grouping* out);
  void ReportOwned(size_t index, Grouping* out);
  void AddConsequences(size_t index, Finding* finding);

  Model& model_;
  const CulpritJudge& judge_;
  Evidence& evidence_;
  std::vector<size_t> caught_;  // stale closes
};

/// By its tag, not by a race.
bool IsByOwner(const Proof& proof) { return (proof.last().flags & trace::kStaleHit) == 0; }

void WrongCloses::Find(Grouping* out) {
  std::map<CauseKey, Cause> causes;
  for (size_t i = 0; i < evidence_.size(); ++i) {
    if (evidence_[i].record.kind == FindingKind::kStaleClose) caught_.push_back(i);
  }
  for (size_t i = 0; i < evidence_.size(); ++i) {
    if (evidence_[i].record.kind == FindingKind::kOwnedClose) ReportOwned(i, out);
  }
  for (const size_t i : caught_) {
    if (evidence_.IsReported(i)) continue;
    // Else it was its rightful owner's close, which the shim could not see in the race.
    const bool is_stale = judge_[i].history == History::kStale || IsByOwner(evidence_[i]);
    if (is_stale) causes[KeyOf(i)].caught.Add(i, evidence_[i]);
    if (!is_stale) evidence_.MarkReported(i);
  }
  for (size_t i = 0; i < evidence_.size(); ++i) {
    const Proof& proof = evidence_[i];
    if (evidence_.IsReported(i) || (!proof.is_close() && !proof.is_use() && !proof.is_misuse())) continue;
    if (judge_[i].history == History::kConsequence) continue;
    const bool is_stale = judge_[i].history == History::kStale || (!proof.is_misuse() && causes.contains(KeyOf(i)));
    if (is_stale) causes[KeyOf(i)].failures.Add(i, proof);
  }
  for (const auto& [key, cause] : causes) ReportCause(cause, out);
}

/// Whether the victim's next act failed too, and was recorded, is another matter than whether the close was caught in
/// the act: of many rounds of one cause some are reported by this and some by that, and most by both. Threads that
/// recorded at the same time may each have made a record, so one cause can have several of either. A declared owner
/// that has closed its own before may hold this one too, and have forgotten to say so: there the victim has to have met
/// it.
void WrongCloses::ReportCause(const Cause& cause, Grouping* out) {
  const bool by_failures = cause.failures.rounds >= cause.caught.rounds;
  const bool by_owner = !cause.caught.indices.empty() && IsByOwner(evidence_[cause.caught.indices.front()]);
  const bool is_silent = by_owner && cause.failures.rounds == 0;
  for (const size_t i : is_silent     ? std::vector<size_t>()
                        : by_failures ? cause.failures.indices
                                      : cause.caught.indices) {
    const Proof& proof = evidence_[i];
    const Act& stale = by_failures ? proof.record.lives[judge_[i].life].closed : proof.record.act;
    if (!evidence_.IsReported(i)) ReportHit(i, stale, by_owner, out);
  }
  for (const Proofs* proofs : {&cause.caught, &cause.failures}) {
    for (const size_t i : proofs->indices) evidence_.MarkReported(i);
  }
}

/// `stale` is the culprit's second close of the life that it hit.
void WrongCloses::ReportHit(size_t index, const Act& stale, bool by_owner, Grouping* out) {
  const Proof& proof = evidence_[index];
  const Ruling& ruling = judge_[index];
  const Certainty certainty = by_owner ? Certainty::kProven : ruling.certainty;
  const uint32_t file = evidence_.FileOf(index);
  const int fd = proof.record.fd;
  Finding finding{Kind::kWrongClose, certainty == Certainty::kOneOf ? Severity::kWarning : Severity::kError, certainty};
  finding.why = ruling.why;
  finding.processes = {proof.process};
  TakeNumbers(model_, proof, ruling.life, &finding);
  const trace::Incarnation& hit = proof.record.lives[ruling.life];
  if (ruling.life == 0 && proof.before().opened.stamp != 0) {
    AddOpening(model_, proof.process, proof.before(), fd, &finding.events);
  }
  if (ruling.life == 0 && proof.before().closed.stamp != 0) {
    finding.error = evidence_.TakeErrorOf(proof.process, fd, proof.before());
    finding.events.push_back(EventOf(model_, file, Role::kClosed, proof.before().closed, fd));
    finding.events.back().seen_through = ruling.first_seen_through;
  }
  finding.events.push_back(EventOf(model_, file, Role::kReopened, hit.opened, fd));
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, file, Role::kClosedAgain, stale, fd));
  finding.events.back().seen_through = ruling.seen_through;
  const bool is_use = proof.is_use() || proof.is_misuse();
  if (proof.is_close() || is_use) {
    const Role role = is_use ? Role::kUsed : Role::kOwnerCloseFailed;
    finding.events.push_back(EventOf(model_, file, role, proof.record.act, fd));
    if (is_use) TakeIn(Kind::kUseAfterClose, Severity::kError, &finding);
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

/// What the two sides say. A close by a tag that is not the holder's is wrong whoever the holder is.
std::string ClaimOf(const trace::Incarnation& life, uint64_t closer) {
  const uint64_t tag = (life.opened.flags & trace::kActOwned) != 0 ? life.owner : 0;
  const bool is_held = tag != 0 || (life.flags & (trace::kOwnedByFile | trace::kOwnedByDir)) != 0;
  if (!is_held) return fmt::format("as its owner, by the tag {:#x}, but nobody owned it (its tag was 0)", closer);
  const std::string tags = tag != 0 && closer != 0
                               ? fmt::format(" (its tag was {:#x}, and it was closed by the tag {:#x})", tag, closer)
                               : "";
  return "which " + HolderOf(life) + " still held" + tags;
}

/// A close of what another owner held, or of what the closer did not own as it claimed.
void WrongCloses::ReportOwned(size_t index, Grouping* out) {
  const Proof& proof = evidence_[index];
  Finding finding{Kind::kWrongClose, Severity::kError};
  finding.processes = {proof.process};
  TakeNumbers(model_, proof, 0, &finding);
  AddOpening(model_, proof.process, proof.last(), proof.record.fd, &finding.events);
  finding.deciding = finding.events.size();
  finding.claim = ClaimOf(proof.last(), proof.record.closer);
  finding.events.push_back(EventOf(model_, evidence_.FileOf(index), Role::kClosed, proof.record.act, proof.record.fd));
  AddConsequences(index, &finding);
  evidence_.Report(index, Role::kOwnerCloseFailed, &finding);
  out->Add(std::move(finding));
}

}  // namespace

void FindWrongCloses(Model& model, const CulpritJudge& judge, Evidence* evidence, Grouping* out) {
  WrongCloses(model, judge, evidence).Find(out);
}

}  // namespace fdaudit::analyzer
