// Verbs that open: what a number refers to from now on.

#include <cstring>

#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/events/recording.h"
#include "shim/ledger/channel_text.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/pipe_watch.h"
#include "shim/ledger/probe.h"
#include "shim/process/spawn.h"

namespace fdaudit::shim {
namespace {

using trace::Act;
using trace::EventKind;

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
  const int error = LastError();
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  recording.Journal(EventKind::kOpenFailed, act, -1, -1, 0, error);
  if (recording.owns_ledger()) NoteExhausted(act, error);
}

void RecordFoundOpen(const CallSite& site, int fd) {
  if (fd < 0 || !SystemCallsAllowed()) return;
  const int flags = raw::DescriptorFlags(fd);
  Recording recording(site);
  if (!recording || flags < 0 || (recording.owns_ledger() && LedgerOpenCount(fd) != 0)) return;
  trace::Incarnation life = {};
  TargetText target = "";
  NewDescriptor what;
  DescribeOpenDescriptor(fd, life, {}, target);
  what.kind = life.kind;
  what.detail = life.detail;
  what.target = target;
  if ((flags & FD_CLOEXEC) != 0) what.flags |= trace::kCloseOnExec;
  Open(recording, site, recording.MakeAct(Stamp()), fd, what, EventKind::kOpened);
}

void RecordAskedInVain(const CallSite& site, int fd) {
  const int saved_errno = LastError();
  Recording recording(site);
  if (recording && recording.owns_ledger()) {
    recording.thread().asked_fd = fd;
    recording.thread().asked_stack = recording.MakeAct(site.began).stack;
  }
  SetLastError(saved_errno);
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
      recording.thread().replaced_from = LedgerOpenCount(to) == 0 ? -1 : from;
      recording.thread().replaced_to = to;
      LedgerOverwritten(to, recording.MakeAct(act.stamp, trace::kActOverwrote));
    }
    if (placement != Placement::kLowest) NotePlaced(recording.thread(), to, act);
  }
  what.flags = static_cast<uint8_t>(what.flags | flags);
  what.related = from;
  what.lowest = placement == Placement::kLowest;
  Open(recording, site, act, to, what, EventKind::kDuplicated);
}

namespace {

/// What the ledger gets to know of a descriptor that has just come with a message.
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

}  // namespace fdaudit::shim
