#include "shim/ledger/findings.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>

#include "shim/base/large.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/standards.h"
#include "shim/process/image.h"
#include "shim/process/records.h"
#include "shim/trace/journal.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::FindingKind;
using trace::FindingRecord;
using trace::Incarnation;
using trace::RegionKind;

constexpr int32_t kLargestGap = 8;      ///< numbers that a sweep may leave out in one go
constexpr uint32_t kShortestSweep = 3;  ///< closes

/// Where equal findings of this image are: key → index + 1. Private, so a forked child finds its parent's and sees from
/// the record's image that they are not its own.
struct KnownFinding {
  uint64_t key;
  uint32_t index;
};
constexpr uint32_t kKnown = 256;
FDAUDIT_LARGE constinit KnownFinding known[kKnown] = {};

constinit uint32_t made_by_image = 0;
constinit uint32_t made = 0;

FindingRecord* FindingAt(uint32_t index) { return recorder.At<FindingRecord>(RegionKind::kFindings, index); }

uint64_t KeyOf(FindingKind kind, const trace::Act& act, const CloseOutcome& outcome) {
  // What an exec was given, in whatever image, is one note where one call path has opened it.
  const bool is_any_image = kind == FindingKind::kCrossedExec && act.stack != 0;
  const uint32_t parts[] = {static_cast<uint32_t>(kind),
                            is_any_image ? 0 : act.image,
                            act.stack,
                            act.call,
                            outcome.lives[0].opened.stack,
                            outcome.lives[0].closed.stack,
                            outcome.lives[0].closed.call,
                            outcome.lives[1].opened.stack};
  return HashBytes(parts, sizeof parts);
}

/// Notes of severity: worth a record each only where none is equal, in whatever image, and never the room of errors.
bool IsNote(FindingKind kind, int error) {
  return kind == FindingKind::kCrossedExec || kind == FindingKind::kClosedInUse || kind == FindingKind::kMisuse ||
         (kind == FindingKind::kExhausted && error == 0);
}

/// Index of a record to fill, -1 where there is no room.
int64_t ClaimRecord(bool is_note) {
  if (is_note) {
    auto notes = Atomic(recorder.region(RegionKind::kFindings).notes);
    if (notes.fetch_add(1, std::memory_order_relaxed) >= recorder.Capacity(RegionKind::kFindings) / 2) {
      notes.fetch_sub(1, std::memory_order_relaxed);
      recorder.NoteLost(RegionKind::kFindings);
      return -1;
    }
  }
  const int64_t index = recorder.TakeReleased(RegionKind::kFindings, &FindingRecord::next_in_run);
  return index >= 0 ? index : recorder.Claim(RegionKind::kFindings);
}

/// Where it is written which record stands for all notes of this key; nullptr where there is no room.
trace::NoteKey* FindNote(uint64_t key) {
  for (uint32_t probe = 0; probe < kTableProbes; ++probe) {
    const uint64_t index = recorder.TablePlace(RegionKind::kNotes, key, probe);
    if (!recorder.Back(RegionKind::kNotes, index)) return nullptr;
    auto* entry = recorder.At<trace::NoteKey>(RegionKind::kNotes, index);
    uint64_t found = 0;
    if (Atomic(entry->key).compare_exchange_strong(found, key) || found == key) return entry;
  }
  return nullptr;
}

/// False where the record has the number already.
bool AddNumber(FindingRecord& record, int fd) {
  const uint32_t count = Atomic(record.fd_count).load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count && i < trace::kMaxFindingFds; ++i) {
    if (record.fds[i] == fd) return false;
  }
  const uint32_t index = Atomic(record.fd_count).fetch_add(1, std::memory_order_relaxed);
  if (index < trace::kMaxFindingFds) {
    record.fds[index] = fd;
  } else {
    Atomic(record.fd_count).store(trace::kMaxFindingFds);
  }
  return true;
}

/// By which moment of its life a descriptor differs from the record's others: FindingRecord::latest_closed has the
/// latest one's.
uint64_t MomentOf(FindingKind kind, const Incarnation& life) {
  return kind == FindingKind::kCrossedExec ? life.opened.stamp : life.closed.stamp;
}

/// A process that executes itself anew, and whose images each forget one: it was opened before the last image, which
/// had its chance to close it.
void CountLeftBehind(FindingRecord& record, const Incarnation& life) {
  const trace::ImageRecord& here = *ImageOf(CurrentImage());
  const trace::ImageRecord& opener = *ImageOf(life.opened.image);
  const bool is_same_process = opener.pid == here.pid && opener.pid_namespace == here.pid_namespace;
  if (!is_same_process || life.opened.image == here.predecessor) return;
  uint64_t latest = Atomic(record.latest_left).load(std::memory_order_relaxed);
  while (life.opened.stamp > latest) {
    if (!Atomic(record.latest_left).compare_exchange_weak(latest, life.opened.stamp)) continue;
    Atomic(record.left_behind).fetch_add(1, std::memory_order_relaxed);
    return;
  }
}

/// One more event like the record's: one more descriptor, unless it is the latest one's third close, or an exec that
/// one of the record's has crossed before: those are no younger than the youngest.
void Join(FindingRecord& record, int fd, const Incarnation& life) {
  const bool new_number = AddNumber(record, fd);
  const uint64_t moment = MomentOf(record.kind, life);
  bool is_another = new_number;
  if (record.kind == FindingKind::kCrossedExec) {
    uint64_t youngest = Atomic(record.latest_closed).load(std::memory_order_relaxed);
    while (moment > youngest && !Atomic(record.latest_closed).compare_exchange_weak(youngest, moment)) {
    }
    is_another = new_number || moment > youngest;
    CountLeftBehind(record, life);
  } else if (moment != 0) {
    is_another = Atomic(record.latest_closed).exchange(moment) != moment;
  }
  if (is_another) Atomic(record.count).fetch_add(1, std::memory_order_relaxed);
}

/// One more note like the record's, in this image or another.
bool JoinNote(const trace::NoteKey* note, uint64_t key, int fd, const Incarnation& life) {
  const uint32_t number = note == nullptr ? 0 : Atomic(const_cast<uint32_t&>(note->finding)).load();
  if (number == 0) return false;
  FindingRecord& record = *FindingAt(number - 1);
  if (record.kind != FindingKind::kCrossedExec || record.key != key) return false;
  Join(record, fd, life);
  return true;
}

/// Index + 1 of a record that was made for this, 0 where it joined an older one or there was no room. `record_of`: the
/// same also where it joined one of this image's.
uint32_t MakeFinding(FindingKind kind, int fd, const trace::Act& act, const CloseOutcome& outcome, int error,
                     uint32_t* record_of = nullptr) {
  // Another process opens and closes these numbers too: whose close was one too many is unknown.
  if ((Atomic(ImageOf(act.image)->reasons).load(std::memory_order_relaxed) & trace::kReasonSharedTable) != 0) return 0;
  const uint64_t key = KeyOf(kind, act, outcome);
  KnownFinding& place = known[key % kKnown];
  if (place.key == key) {
    FindingRecord& record = *FindingAt(place.index - 1);
    if (record.kind == kind && record.key == key && record.image == act.image) {
      Join(record, fd, outcome.lives[0]);
      if (record_of != nullptr) *record_of = place.index;
      return 0;
    }
  }
  // Of a lost call path every one is its own.
  const bool is_shared = kind == FindingKind::kCrossedExec && act.stack != 0;
  trace::NoteKey* note = is_shared ? FindNote(key) : nullptr;
  if (JoinNote(note, key, fd, outcome.lives[0])) return 0;
  const int64_t index = ClaimRecord(IsNote(kind, error));
  if (index < 0) return 0;
  FindingRecord& record = *FindingAt(static_cast<uint32_t>(index));
  memset(static_cast<void*>(&record), 0, sizeof record);
  record.image = act.image;
  record.count = 1;
  record.key = key;
  record.act = act;
  record.fd = fd;
  record.error = error;
  record.latest_closed = MomentOf(kind, outcome.lives[0]);
  record.closer = outcome.closer;
  memcpy(static_cast<void*>(record.lives), outcome.lives, sizeof record.lives);
  AddNumber(record, fd);
  LedgerTarget(fd, record.target);
  Keep(act.image);
  Atomic(record.kind).store(kind, std::memory_order_release);
  if (note != nullptr) {
    Atomic(note->finding).store(static_cast<uint32_t>(index) + 1, std::memory_order_release);
  } else {
    place = {key, static_cast<uint32_t>(index) + 1};
  }
  if (!InVforkChild()) {
    if (made_by_image != act.image) made = 0;
    made_by_image = act.image;
    Atomic(made).fetch_add(1, std::memory_order_relaxed);
  }
  if (record_of != nullptr) *record_of = static_cast<uint32_t>(index) + 1;
  return static_cast<uint32_t>(index) + 1;
}

/// The run turned out to be a sweep.
void TakeBackFindings(CloseRun& run) {
  for (uint32_t left = run.length; left != 0 && run.findings != 0; --left) {
    const uint32_t index = run.findings - 1;
    run.findings = FindingAt(index)->next_in_run;
    if (index >= recorder.Capacity(RegionKind::kFindings)) break;
    Atomic(FindingAt(index)->kind).store(FindingKind::kNone, std::memory_order_release);
    recorder.Release(RegionKind::kFindings, &FindingRecord::next_in_run, index);
    Atomic(made).fetch_sub(1, std::memory_order_relaxed);
  }
}

void FollowRun(CloseRun& run, int fd, uint32_t stack, bool never_open) {
  const int64_t step = static_cast<int64_t>(fd) - run.last_fd;
  const int32_t direction = step > 0 ? 1 : -1;
  const bool near = step != 0 && step * direction <= kLargestGap;
  const bool continues = run.length != 0 && run.stack == stack && near && run.direction * direction >= 0;
  if (!continues)
    run = CloseRun{.stack = stack, .first_fd = fd};
  else
    run.direction = direction;
  run.last_fd = fd;
  ++run.length;
  run.never_open_met = run.never_open_met || never_open;
  if (!run.is_sweep && run.never_open_met && run.length >= kShortestSweep) {
    run.is_sweep = true;
    TakeBackFindings(run);
    LedgerMarkSwept(run.direction > 0 ? run.first_fd : fd, run.direction > 0 ? fd : run.first_fd, stack);
  } else if (run.is_sweep && !never_open) {
    LedgerMarkSwept(fd, fd, stack);
  }
}

void JournalFailure(ThreadState& thread, int fd, const trace::Act& act, int error, bool nested) {
  if (!nested && thread.run.length > 1 && ExtendEvent(thread.run.event, fd)) return;
  const uint64_t position = WriteEvent(thread, {.stamp = act.stamp,
                                                .stack = act.stack,
                                                .fd = fd,
                                                .other = fd,
                                                .incarnation = 0,
                                                .call = act.call,
                                                .tag = 0,
                                                .error = static_cast<int16_t>(error),
                                                .kind = trace::EventKind::kCloseFailed,
                                                .flags = static_cast<uint8_t>(act.flags)});
  if (!nested) thread.run.event = position;
}

}  // namespace

void NoteClose(ThreadState& thread, int fd, const trace::Act& act, const CloseOutcome& outcome, int error,
               bool nested) {
  using Verdict = CloseOutcome::Verdict;
  const bool failed = error == EBADF;
  if (!nested) FollowRun(thread.run, fd, act.stack, failed && outcome.verdict != Verdict::kFailedStale);
  if (failed) {
    JournalFailure(thread, fd, act, error, nested);
  } else if (!nested) {
    thread.run.event = 0;
  }
  if (outcome.verdict == Verdict::kHitOther) NoteStaleHit(fd, outcome);
  const bool stale = outcome.verdict == Verdict::kFailedStale || outcome.verdict == Verdict::kFailedNever;
  const bool owned = outcome.verdict == Verdict::kHitOwned;
  const bool overwriter = outcome.verdict == Verdict::kHitOverwriter;
  if (!stale && !owned && !overwriter) return;
  // A list of /proc/self/fd holds the number of the descriptor that it was read through.
  const bool listed = thread.listing_fd >= 0 || (outcome.lives[0].flags & trace::kListsDescriptors) != 0;
  if (listed || (!nested && thread.run.is_sweep)) return;
  const FindingKind kind = owned        ? FindingKind::kOwnedClose
                           : overwriter ? FindingKind::kOverwriteClosed
                                        : FindingKind::kFailedClose;
  uint32_t record = 0;
  const uint32_t finding = MakeFinding(kind, fd, act, outcome, error, &record);
  if (failed && record != 0) {
    thread.failed_fd = fd;
    thread.failed_finding = record;
    if (thread.asked_fd == fd) FindingAt(record - 1)->asked = thread.asked_stack;
  }
  if (finding != 0 && !nested) {
    FindingAt(finding - 1)->next_in_run = thread.run.findings;
    thread.run.findings = finding;
  }
}

void NoteClosesOfRange(ThreadState& thread) { TakeBackFindings(thread.run); }

void NotePlaced(ThreadState& thread, int fd, const trace::Act& act) {
  if (thread.failed_fd != fd || thread.failed_finding == 0) return;
  FindingRecord& record = *FindingAt(thread.failed_finding - 1);
  thread.failed_fd = -1;
  // It may have been taken back since, and be another one's by now.
  const bool is_same = record.kind == FindingKind::kFailedClose && record.image == act.image;
  if (is_same) record.placed = act.stack;
}

void NoteStaleHit(int fd, const CloseOutcome& outcome) {
  MakeFinding(FindingKind::kStaleClose, fd, outcome.lives[0].closed, outcome, 0);
}

void NoteBadUse(int fd, const trace::Act& act, const CloseOutcome& outcome) {
  MakeFinding(FindingKind::kFailedUse, fd, act, outcome, EBADF);
}

void NoteUnfoundedUse(int fd, const trace::Act& act) {
  MakeFinding(FindingKind::kUnfoundedUse, fd, act, CloseOutcome{}, EBADF);
}

void NoteMisuse(int fd, const trace::Act& act, const CloseOutcome& lives, int error, trace::FileAccess access) {
  const uint32_t finding = MakeFinding(FindingKind::kMisuse, fd, act, lives, error);
  if (finding != 0) FindingAt(finding - 1)->access = access;
}

void NoteOwnedClose(int fd, const trace::Act& close, const CloseOutcome& lives) {
  MakeFinding(FindingKind::kOwnedClose, fd, close, lives, 0);
}

uint32_t NoteClosedInUse(int fd, const trace::Act& use, const CloseOutcome& lives) {
  return MakeFinding(FindingKind::kClosedInUse, fd, use, lives, 0);
}

void CompleteClosedInUse(uint32_t finding, uint32_t image, uint32_t stack) {
  FindingRecord& record = *FindingAt(finding - 1);
  if (record.kind != FindingKind::kClosedInUse || record.image != image || stack == 0) return;
  Atomic(record.act.stack).store(stack, std::memory_order_relaxed);
}

void NoteStdReused(int fd, const trace::Act& act, const CloseOutcome& lives) {
  uint32_t record = 0;
  MakeFinding(FindingKind::kStdReused, fd, act, lives, 0, &record);
  if (record != 0) FollowStandard(fd, act.image, record);
}

void NoteCloseError(int fd, const trace::Act& act, const CloseTicket& ticket, int error) {
  CloseOutcome lives;
  if (LedgerLifeOf(fd, ticket, &lives)) MakeFinding(FindingKind::kCloseError, fd, act, lives, error);
}

namespace {

/// One record for each error and image: the picture of the table is of the first moment.
struct ExhaustedRecord {
  uint32_t image;
  uint32_t index;  ///< + 1
};
constinit ExhaustedRecord exhausted[3] = {};

}  // namespace

void NoteExhausted(const trace::Act& act, int error) {
  ExhaustedRecord& known_one = exhausted[error == EMFILE ? 0 : error == ENFILE ? 1 : 2];
  if (known_one.image == act.image) {
    Atomic(FindingAt(known_one.index - 1)->count).fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const int64_t index = ClaimRecord(IsNote(FindingKind::kExhausted, error));
  if (index < 0) return;
  FindingRecord& record = *FindingAt(static_cast<uint32_t>(index));
  memset(static_cast<void*>(&record), 0, sizeof record);
  record.image = act.image;
  record.count = 1;
  record.act = act;
  record.fd =
      static_cast<int32_t>(SystemCallsAllowed() ? SoftLimit(RLIMIT_NOFILE) : ImageOf(act.image)->descriptor_limit);
  record.error = error;
  static_assert(sizeof(Holder) * trace::kMaxHolders == sizeof record.fds);
  LedgerHolders(reinterpret_cast<Holder(&)[trace::kMaxHolders]>(record.fds));
  Keep(act.image);
  if (!InVforkChild()) known_one = {act.image, static_cast<uint32_t>(index) + 1};
  Atomic(record.kind).store(FindingKind::kExhausted, std::memory_order_release);
}

void NoteCrowded(int fd, const trace::Act& act) {
  if (!SystemCallsAllowed() || InVforkChild()) return;
  // The program may have raised its limit since.
  const uint64_t limit = SoftLimit(RLIMIT_NOFILE);
  const uint64_t threshold = limit - limit / 5;
  crowded_from = threshold < INT32_MAX ? static_cast<int32_t>(threshold) : INT32_MAX;
  if (fd < crowded_from || limit == 0) return;
  crowded_from = INT32_MAX;
  NoteExhausted(act, 0);
}

void NoteCrossedExec(int fd, const trace::Act& act, const trace::Incarnation& life) {
  CloseOutcome lives;
  lives.lives[0] = life;
  MakeFinding(FindingKind::kCrossedExec, fd, act, lives, 0);
}

uint32_t FindingsOf(uint32_t image) { return made_by_image == image ? made : 0; }

}  // namespace fdaudit::shim
