#include "shim/events/events.h"

#include <cstring>

#include "shim/base/guard.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/base/thread.h"
#include "shim/ledger/channel_text.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/pipe_watch.h"
#include "shim/ledger/probe.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/image.h"
#include "shim/process/spawn.h"
#include "shim/stack/table.h"
#include "shim/trace/journal.h"

namespace fdaudit::shim {
namespace {

using trace::Act;
using trace::Event;
using trace::EventKind;

/// One recording: holds the guard, knows image and thread, has captured the stack. False where nothing is recorded.
class Recording {
 public:
  explicit Recording(const CallSite& site) : site_(site), image_(CurrentImage()), thread_(ThreadOf(image_)) {
    // What the walk remembers lies in the TLS, on which a guest may run at this moment.
    if (image_ != 0) stack_ = StackNumber(site.caller, guard_.nested() || thread_state.guests != 0);
  }

  explicit operator bool() const { return image_ != 0; }
  /// The caller's descriptor table may not be the one whose ledger lies in this memory.
  bool owns_ledger() const { return thread_.UsesLedger(); }
  /// It is the table of a program to come (vfork and the like).
  bool arranges_exec() const { return !owns_ledger() && IsGuestProcess(thread_); }
  bool nested() const { return guard_.nested(); }
  ThreadState& thread() { return thread_; }

  Act MakeAct(uint64_t stamp, unsigned flags = 0) const {
    if (SingleThreaded()) flags |= trace::kActSingleThreaded;
    if (guard_.nested()) flags |= trace::kActInSignalHandler;
    if (!owns_ledger()) flags |= trace::kActOwnTable;
    return {stamp, image_, thread_.thread, stack_, site_.call, static_cast<uint16_t>(flags)};
  }

  uint64_t Journal(EventKind kind, const Act& act, int fd, int other, uint32_t incarnation = 0, int error = 0) {
    if (IsStranger(thread_)) return 0;
    return WriteEvent(thread_, Event{.stamp = act.stamp,
                                     .stack = act.stack,
                                     .fd = fd,
                                     .other = other,
                                     .incarnation = incarnation,
                                     .call = act.call,
                                     .tag = 0,
                                     .error = static_cast<int16_t>(error),
                                     .kind = kind,
                                     .flags = static_cast<uint8_t>(act.flags)});
  }

  /// Puts back what a close of this thread that never returned has taken out of the ledger (see ThreadState).
  void SettleUnreturnedClose() {
    const int fd = thread_.closing_fd;
    if (fd < 0 || site_.caller.sp < thread_.closing_frame || OnAlternateStack()) return;
    thread_.closing_fd = -1;
    if (raw::DescriptorFlags(fd) >= 0) LedgerCloseUndo(fd, thread_.closing_count);
  }

 private:
  const CallSite& site_;
  Guard guard_;
  uint32_t image_;
  ThreadState& thread_;
  uint32_t stack_ = 0;
};

/// /proc/self/fd and its other names: who reads it is about to close what it lists.
bool ListsDescriptors(const char* path) {
  if (strcmp(path, "/dev/fd") == 0 || strcmp(path, "/dev/fd/") == 0) return true;
  if (!StartsWith(path, "/proc/")) return false;
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') --length;
  return length > 3 && memcmp(path + length - 3, "/fd", 3) == 0;
}

void Open(Recording& recording, const CallSite& site, const Act& act, int fd, const NewDescriptor& what,
          EventKind kind) {
  uint32_t count = 0;
  if (recording.owns_ledger()) {
    recording.SettleUnreturnedClose();
    CloseOutcome hit;
    count = LedgerOpen(fd, act, what, site.began, &hit);
    if (hit.verdict == CloseOutcome::Verdict::kHitOther) NoteStaleHit(fd, hit);
    if ((what.flags & trace::kListsDescriptors) != 0) recording.thread().listing_fd = fd;
    if (what.lowest && __builtin_expect(fd >= crowded_from, 0)) NoteCrowded(fd - RestingBelow(fd), act);
    if (what.kind == trace::FdKind::kPipe) WatchPipe(fd);
  } else if (recording.arranges_exec()) {
    NoteGuestPlacement(recording.thread(), act, fd,
                       kind == EventKind::kDuplicated ? what.related : trace::kPlacedOpened);
  }
  recording.Journal(kind, act, fd, what.related, count);
}

/// An ordinary open was given standard input, output or error.
void NoteStandardNumber(const Recording& recording, const Act& act, int fd) {
  CloseOutcome lives;
  if (recording.owns_ledger() && LedgerLives(fd, &lives)) NoteStdReused(fd, act, lives);
}

}  // namespace

void RecordedTarget(int fd, TargetText& text) {
  const Guard guard;
  text[0] = '\0';
  if (CurrentImage() != 0) LedgerTarget(fd, text);
}

void RecordedDescriptor(int fd, NewDescriptor* out, TargetText& text) {
  const Guard guard;
  text[0] = '\0';
  const uint32_t image = CurrentImage();
  if (image != 0 && ThreadOf(image).UsesLedger()) LedgerDescribe(fd, out, text);
}

void RecordAddressed(const CallSite& site, int fd, SocketStep step, const sockaddr* address, socklen_t size) {
  Recording recording(site);
  if (!recording) return;
  TargetText name;
  TextBuilder text(name, sizeof name);
  AddAddress(text, address, size);
  if (recording.owns_ledger()) LedgerAddressed(fd, step, name);
  recording.Journal(EventKind::kAddressed, recording.MakeAct(Stamp()), fd, -1);
}

void RecordOpened(const CallSite& site, int fd, const NewDescriptor& what) {
  Recording recording(site);
  if (!recording) return;
  NewDescriptor opened = what;
  const bool directory = what.kind == trace::FdKind::kDirectory && what.target != nullptr;
  if (directory && ListsDescriptors(what.target)) opened.flags |= trace::kListsDescriptors;
  const Act act = recording.MakeAct(Stamp());
  Open(recording, site, act, fd, opened, EventKind::kOpened);
  if (fd <= 2) NoteStandardNumber(recording, act, fd);
}

namespace {

void TellEnd(bool second, int other, TargetText& buffer, NewDescriptor* end) {
  TextBuilder text(buffer, sizeof buffer);
  if (end->kind == trace::FdKind::kPipe) AddPipeEnd(text, second, other, true);
  if (end->kind == trace::FdKind::kSocket) AddPairEnd(text, end->detail, other, true);
  end->target = buffer;
}

}  // namespace

void RecordOpenedPair(const CallSite& site, const int (&fds)[2], const NewDescriptor (&ends)[2]) {
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  for (int i = 0; i < 2; ++i) {
    NewDescriptor end = ends[i];
    TargetText text;
    end.related = fds[1 - i];
    if (end.kind == trace::FdKind::kPipe && i == 1) end.detail = trace::kPipeWriteEnd;
    if (end.target == nullptr) TellEnd(i == 1, end.related, text, &end);
    Open(recording, site, act, fds[i], end, EventKind::kOpened);
    if (fds[i] <= 2) NoteStandardNumber(recording, act, fds[i]);
  }
}

void RecordOpenFailed(const CallSite& site) {
  const int error = errno;
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  recording.Journal(EventKind::kOpenFailed, act, -1, -1, 0, error);
  if (recording.owns_ledger()) NoteExhausted(act, error);
}

void RecordDuplicated(const CallSite& site, int from, int to, uint8_t flags, Placement placement) {
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp(), trace::kActDuplicated);
  NewDescriptor what;
  char target[trace::kTargetSize];
  if (recording.owns_ledger()) {
    LedgerDescribe(from, &what, target);
    // A stream whose number is given another file writes into that one from now on, and closes it at its end.
    if (placement == Placement::kExactly) {
      LedgerOwner(to, &what);
      LedgerOverwritten(to, recording.MakeAct(act.stamp, trace::kActOverwrote));
    }
  }
  what.flags = static_cast<uint8_t>(what.flags | flags);
  what.related = from;
  what.lowest = placement == Placement::kLowest;
  Open(recording, site, act, to, what, EventKind::kDuplicated);
}

namespace {

/// What the ledger is told of a descriptor that has just come with a message.
void OpenReceived(Recording& recording, const CallSite& site, const Act& act, const ReceivedDescriptor& received,
                  NewDescriptor what) {
  char target[trace::kTargetSize] = "";
  trace::Incarnation life = {};
  if (received.is_pidfd) {
    life.kind = trace::FdKind::kPidFd;
    what.flags |= trace::kCloseOnExec;
  }
  if (SystemCallsAllowed() && recording.owns_ledger()) DescribeKind(received.fd, life, target);
  what.kind = life.kind;
  what.detail = life.detail;
  what.target = target;
  Open(recording, site, act, received.fd, what, EventKind::kReceived);
}

void MoveReceivedOutOfRest(const CallSite& site, const msghdr& message) {
  ControlMessages controls(message);
  for (ControlMessage control; controls.Next(&control);) {
    const size_t count = DescriptorCount(control);
    for (size_t i = 0; i < count; ++i) {
      const int fd = DescriptorAt(control, i).fd;
      if (IsResting(fd)) PutDescriptor(control, i, OutOfRest(site, fd, Reference::kAnother));
    }
  }
}

}  // namespace

void RecordReceived(const CallSite& site, int socket, const msghdr& message, int flags) {
  if (options.quarantine != 0) MoveReceivedOutOfRest(site, message);
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  NewDescriptor what;
  what.related = SenderOf(message, socket, ImageOf(act.image)->pid);
  what.flags = trace::kReceived;
  if ((flags & MSG_CMSG_CLOEXEC) != 0) what.flags |= trace::kCloseOnExec;
  ControlMessages controls(message);
  for (ControlMessage control; controls.Next(&control);) {
    const size_t count = DescriptorCount(control);
    for (size_t i = 0; i < count; ++i) OpenReceived(recording, site, act, DescriptorAt(control, i), what);
  }
}

PendingClose RecordClosing(const CallSite& site, int fd) {
  PendingClose pending;
  const int saved_errno = errno;
  Recording recording(site);
  if (!recording || fd == kNoDescriptor) return pending;
  pending.recorded = true;
  pending.act = recording.MakeAct(site.began);
  ThreadState& thread = recording.thread();
  if (!recording.owns_ledger()) return pending;
  recording.SettleUnreturnedClose();
  if (thread.listing_fd >= 0) {
    pending.act.flags |= trace::kActListed;
    if (thread.listing_fd == fd) thread.listing_fd = -1;
  }
  pending.ticket = LedgerCloseBegin(fd, pending.act);
  if (pending.ticket.found == CloseTicket::Found::kOpen) {
    thread.closing_count = pending.ticket.count;
    thread.closing_frame = site.caller.sp;
    thread.closing_fd = fd;
    recording.Journal(EventKind::kClosed, pending.act, fd, -1, pending.ticket.count);
  }
  errno = saved_errno;
  return pending;
}

namespace {

/// Whether a close that closed what was open has closed somebody else's.
CloseOutcome::Verdict JudgeClose(const CloseTicket& ticket, OwnerTag closer) {
  using Verdict = CloseOutcome::Verdict;
  const bool is_holder = closer == kItsStream || closer == ticket.owner;
  const bool is_declared = closer != kNobody && closer != kItsStream;
  if (is_declared && !is_holder && closer == ticket.last_owner) return Verdict::kHitOther;  // it had closed its own
  if (!is_holder && ticket.owner != kNobody) return Verdict::kHitOwned;
  return ticket.overwrote && ticket.owner == kNobody ? Verdict::kHitOverwriter : Verdict::kFine;
}

}  // namespace

void RecordClosed(const CallSite& site, int fd, const PendingClose& pending, int error, OwnerTag closer) {
  if (!pending.recorded) return;
  const int saved_errno = errno;
  const Guard guard;
  ThreadState& thread = ThreadOf(pending.act.image);
  if (thread.UsesLedger()) {
    if (thread.closing_frame == site.caller.sp) thread.closing_fd = -1;
    CloseOutcome outcome = LedgerCloseEnd(fd, pending.ticket, pending.act, error);
    const bool fine = outcome.verdict == CloseOutcome::Verdict::kFine && error != EBADF;
    const CloseOutcome::Verdict verdict = fine ? JudgeClose(pending.ticket, closer) : CloseOutcome::Verdict::kFine;
    if (verdict != CloseOutcome::Verdict::kFine && fd > 2) LedgerNotableClose(fd, pending.ticket, verdict, &outcome);
    NoteClose(thread, fd, pending.act, outcome, error, guard.nested());
    if (error != 0 && error != EBADF && pending.ticket.found == CloseTicket::Found::kOpen) {
      NoteCloseError(fd, pending.act, pending.ticket, error);
    }
  }
  errno = saved_errno;
}

void RecordClosingRange(const CallSite& site, uint32_t first, uint32_t last, PendingClose* pending) {
  Recording recording(site);
  if (!recording) return;
  pending->recorded = true;
  pending->act = recording.MakeAct(site.began, trace::kActRange);
  if (recording.owns_ledger()) LedgerCloseRange(first, last, pending->act);
  recording.Journal(EventKind::kRangeClosed, pending->act, static_cast<int>(first), static_cast<int>(last));
}

void RecordRangeFailed(uint32_t first, uint32_t last, const PendingClose& pending) {
  if (!pending.recorded || !ThreadOf(pending.act.image).UsesLedger()) return;
  LedgerUndoRange(first, last, pending.act);
}

void RecordClosedInside(const CallSite& site, int fd, uint32_t count) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger()) return;
  const Act act = recording.MakeAct(site.began);
  LedgerOverwritten(fd, act, count);
  recording.Journal(EventKind::kClosed, act, fd, -1, count);
}

void RecordCloseOnExec(const CallSite& site, int fd, bool on) {
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  if (recording.owns_ledger()) LedgerSetCloseOnExec(fd, on);
  if (recording.arranges_exec() && !on) NoteGuestPlacement(recording.thread(), act, fd, fd);
  recording.Journal(EventKind::kFlagChanged, act, fd, on ? 1 : 0);
}

void RecordCloseOnExecRange(const CallSite& site, uint32_t first, uint32_t last) {
  Recording recording(site);
  if (!recording) return;
  if (recording.owns_ledger()) LedgerSetCloseOnExecRange(first, last);
  recording.Journal(EventKind::kRangeCloseOnExec, recording.MakeAct(Stamp()), static_cast<int>(first),
                    static_cast<int>(last));
}

void RecordAdopted(const CallSite& site, int fd, uint8_t owner_flag, const void* owner) {
  Recording recording(site);
  if (!recording) return;
  if (recording.owns_ledger()) LedgerAdopt(fd, owner_flag, owner);
  recording.Journal(EventKind::kAdopted, recording.MakeAct(Stamp()), fd, -1);
}

void RecordOwnerExchanged(const CallSite& site, int fd, OwnerTag expected, OwnerTag owner, bool is_told) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger()) return;
  const Act act = recording.MakeAct(Stamp());
  CloseOutcome lost;
  if (LedgerExchangeOwner(fd, expected, owner, &lost)) {
    recording.Journal(EventKind::kAdopted, act, fd, -1);
  } else if (is_told && lost.verdict != CloseOutcome::Verdict::kFine) {
    NoteBadUse(fd, act, lost);
  }
}

OwnerTag RecordedOwner(int fd) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  return image != 0 && ThreadOf(image).UsesLedger() ? LedgerOwnerTag(fd) : kNobody;
}

void RecordLeftOpen(int fd) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  if (image != 0 && ThreadOf(image).UsesLedger()) LedgerLeaveOpen(fd);
}

void RecordReopened(const CallSite& site, int before, int after, const NewDescriptor& what, const void* owner) {
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  NewDescriptor opened = what;
  opened.owner = owner;
  TargetText target;
  if (before >= 0 && recording.owns_ledger()) {
    if (what.target == nullptr) LedgerDescribe(before, &opened, target);  // the same file, in another mode
    opened.flags = what.flags;
    LedgerOverwritten(before, recording.MakeAct(site.began));
  }
  if (before >= 0) recording.Journal(EventKind::kClosed, recording.MakeAct(site.began), before, -1);
  if (after < 0) return;
  Open(recording, site, act, after, opened, EventKind::kOpened);
}

void RecordOpenedOntoStandard(const CallSite& site, const NewDescriptor& what) {
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  NewDescriptor opened = what;
  opened.lowest = false;
  for (int fd = 0; fd <= 2; ++fd) {
    if (recording.owns_ledger()) LedgerOverwritten(fd, recording.MakeAct(act.stamp, trace::kActOverwrote));
    Open(recording, CallSite{site.caller, site.call, act.stamp}, act, fd, opened, EventKind::kOpened);
  }
}

void RecordClosedInside(const CallSite& site, int fd) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger() || !SystemCallsAllowed() || raw::DescriptorFlags(fd) >= 0) return;
  const Act act = recording.MakeAct(site.began);
  LedgerOverwritten(fd, act);
  recording.Journal(EventKind::kClosed, act, fd, -1);
}

void RecordBadUse(const CallSite& site, int fd, int other) {
  if (!options.uses) return;
  const int saved_errno = errno;
  Recording recording(site);
  if (recording && recording.owns_ledger()) {
    const Act act = recording.MakeAct(Stamp());
    CloseOutcome outcome;
    if (LedgerLastClosed(fd, &outcome)) {
      NoteBadUse(fd, act, outcome);
    } else if (LedgerLastClosed(other, &outcome)) {
      NoteBadUse(other, act, outcome);
    }
  }
  errno = saved_errno;
}

void RecordRegistered(const CallSite& site, int fd, int set, bool on) {
  Recording recording(site);
  if (!recording) return;
  const uint32_t count = recording.owns_ledger() ? LedgerRegister(fd, set, on) : 0;
  recording.Journal(on ? EventKind::kRegistered : EventKind::kUnregistered, recording.MakeAct(Stamp()), fd, set, count);
}

void RecordTarget(int fd, const char* target) {
  const Guard guard;
  if (CurrentImage() != 0 && thread_state.UsesLedger()) LedgerRetarget(fd, target);
}

void RecordForked(const CallSite& site, int pid) {
  Recording recording(site);
  has_relatives = options.uses;
  if (recording) recording.Journal(EventKind::kForked, recording.MakeAct(Stamp()), -1, pid);
}

void RecordSession(const CallSite& site) {
  Recording recording(site);
  // The session of a process that runs in this memory is not the image's.
  if (!recording || IsGuestProcess(recording.thread())) return;
  const Act act = recording.MakeAct(Stamp());
  ImageOf(act.image)->began_session = 1;
  recording.Journal(EventKind::kSessionBegun, act, -1, -1);
}

bool LeavesTable() {
  const uint32_t image = CurrentImage();
  return image != 0 && LeavesLedgersTable(ThreadOf(image));
}

void RecordUnshared(const CallSite& site) {
  Recording recording(site);
  if (!recording || !LeavesLedgersTable(recording.thread())) return;
  LedgerCopied();
  NoteTableLeft(recording.thread());
  recording.Journal(EventKind::kUnshared, recording.MakeAct(Stamp()), -1, -1);
}

uint32_t RecordSpawning(const CallSite& site) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger() || !SystemCallsAllowed()) return 0;
  return PrepareSpawn(recording.MakeAct(site.began));
}

void RecordChildAction(const CallSite& site, uint32_t image, const ChildAction& action) {
  Recording recording(site);
  if (!recording || image == 0) return;
  const Act act = recording.MakeAct(site.began, trace::kActOwnTable);
  switch (action.what) {
    case ChildAction::What::kCopies:
      NotePlacement(image, action.fd, action.from);
      recording.Journal(EventKind::kDuplicated, act, action.fd, action.from);
      break;
    case ChildAction::What::kOpens:
      NotePlacement(image, action.fd, trace::kPlacedOpened);
      recording.Journal(EventKind::kOpened, act, action.fd, -1);
      break;
    case ChildAction::What::kCloses:
      recording.Journal(EventKind::kClosed, act, action.fd, -1);
      break;
    case ChildAction::What::kClosesFrom:
      recording.Journal(EventKind::kRangeClosed, act, action.fd, -1);
      break;
  }
}

void RecordSpawned(const CallSite& site, uint32_t image, int pid, int error) {
  Recording recording(site);
  if (!recording) return;
  has_relatives = options.uses;
  if (image != 0) NoteSpawned(image, pid);
  const EventKind kind = pid < 0 ? EventKind::kExecFailed : EventKind::kSpawned;
  recording.Journal(kind, recording.MakeAct(Stamp()), -1, pid <= 0 ? -1 : pid, 0, error);
}

uint32_t RecordExec(const CallSite& site, const char* target, trace::ExecProblem problem, bool is_known) {
  Recording recording(site);
  if (!recording) return 0;
  recording.Journal(EventKind::kExec, recording.MakeAct(site.began), -1, -1);
  return NoteExec(target, problem, is_known);
}

void RecordExecFailed(const CallSite& site) {
  const int error = errno;
  Recording recording(site);
  if (!recording) return;
  recording.Journal(EventKind::kExecFailed, recording.MakeAct(Stamp()), -1, -1, 0, error);
  NoteExecFailed();
}

}  // namespace fdaudit::shim
