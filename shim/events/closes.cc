// Verbs that close, and what a close inside of libc leaves to be found out.

#include <cerrno>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/events/recording.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/misled_streams.h"
#include "shim/ledger/standards.h"

namespace fdaudit::shim {

using trace::Act;
using trace::EventKind;

PendingClose RecordClosing(const CallSite& site, int fd) {
  PendingClose pending;
  const int saved_errno = LastError();
  Recording recording(site);
  if (!recording || fd == kNoDescriptor) return pending;
  pending.recorded = true;
  pending.act = recording.MakeAct(site.began);
  ThreadState& thread = recording.thread();
  if (!recording.owns_ledger()) return pending;
  NoteStandardLeft(fd);
  if (thread.replaced_from == fd) LedgerReplaced(thread.replaced_to);
  thread.replaced_from = -1;
  recording.SettleUnreturnedClose();
  if (thread.listing_fd >= 0) {
    pending.act.flags |= trace::kActListed;
    if (thread.listing_fd == fd) thread.listing_fd = -1;
  }
  if (began_by_fork) NoteMisledStream(fd);
  pending.ticket = LedgerCloseBegin(fd, pending.act);
  if (pending.ticket.found == CloseTicket::Found::kOpen) {
    thread.closing_count = pending.ticket.count;
    thread.closing_frame = site.caller.sp;
    thread.closing_fd = fd;
    recording.Journal(EventKind::kClosed, pending.act, fd, -1, pending.ticket.count);
    NoteClosedInside(fd, pending.ticket, pending.act);
  }
  SetLastError(saved_errno);
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
  if (is_declared && closer == ticket.gave_up) return Verdict::kHitOwned;  // it is the closer's no more
  return ticket.overwrote && ticket.owner == kNobody ? Verdict::kHitOverwriter : Verdict::kFine;
}

}  // namespace

void RecordClosed(const CallSite& site, int fd, const PendingClose& pending, int error, OwnerTag closer) {
  if (!pending.recorded) return;
  const int saved_errno = LastError();
  const Guard guard;
  ThreadState& thread = ThreadOf(pending.act.image);
  if (thread.UsesLedger()) {
    if (thread.closing_frame == site.caller.sp) thread.closing_fd = -1;
    CloseOutcome outcome = LedgerCloseEnd(fd, pending.ticket, pending.act, error);
    if (pending.by_range && outcome.verdict == CloseOutcome::Verdict::kFailedNever) outcome.verdict = {};
    const bool fine = outcome.verdict == CloseOutcome::Verdict::kFine && error != EBADF;
    const CloseOutcome::Verdict verdict = fine ? JudgeClose(pending.ticket, closer) : CloseOutcome::Verdict::kFine;
    if (verdict != CloseOutcome::Verdict::kFine && fd > 2) LedgerNotableClose(fd, pending.ticket, verdict, &outcome);
    outcome.closer = closer == kItsStream ? kNobody : closer;
    NoteClose(thread, fd, pending.act, outcome, error, guard.nested());
    if (error != 0 && error != EBADF && pending.ticket.found == CloseTicket::Found::kOpen) {
      NoteCloseError(fd, pending.act, pending.ticket, error);
    }
  }
  SetLastError(saved_errno);
}

bool RecordedHolder(int fd, uint8_t owner_flag, const void* owner) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  if (image == 0 || !ThreadOf(image).UsesLedger()) return true;
  if (fd < 0) return false;
  const OwnerTag holder = LedgerOwnerTag(fd);
  const bool is_stream = owner_flag == trace::kOwnedByFile;
  if (!is_stream) return holder == DirectoryTag(reinterpret_cast<uint64_t>(owner));
  if (holder == kNobody && LedgerOpenCount(fd) != 0) LedgerAdopt(fd, owner_flag, owner);
  return true;  // fclose takes the number out of the stream
}

bool RecordClosedAgain(const CallSite& site, int fd, uint8_t owner_flag, const void* owner) {
  const int saved_errno = LastError();
  Recording recording(site);
  const auto address = reinterpret_cast<uint64_t>(owner);
  const OwnerTag tag = owner_flag == trace::kOwnedByFile ? StreamTag(address) : DirectoryTag(address);
  int held = kNoDescriptor;
  CloseOutcome outcome;
  const bool again = recording && recording.owns_ledger() && LedgerClosedOwner(tag, &held, &outcome);
  if (again) {
    outcome.verdict = CloseOutcome::Verdict::kFailedStale;
    NoteClose(recording.thread(), held, recording.MakeAct(site.began), outcome, EBADF, recording.nested());
  }
  SetLastError(saved_errno);
  return again && LedgerOpenCount(fd) == 0;
}

bool ClosesOne(const CallSite& site, int fd) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  if (image == 0 || fd < 0) return false;
  ThreadState& thread = ThreadOf(image);
  thread.single_pc = site.caller.pc;
  return thread.UsesLedger() && thread.range_pc != site.caller.pc;
}

void RecordClosingRange(const CallSite& site, uint32_t first, uint32_t last, PendingClose* pending) {
  Recording recording(site);
  if (!recording) return;
  pending->recorded = true;
  pending->act = recording.MakeAct(site.began, trace::kActRange);
  // The gaps between numbers that are kept may be one wide.
  if (recording.thread().single_pc == site.caller.pc) NoteClosesOfRange(recording.thread());
  recording.thread().range_pc = site.caller.pc;
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

void RecordClosedInside(const CallSite& site, int fd) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger() || !SystemCallsAllowed() || raw::DescriptorFlags(fd) >= 0) return;
  const Act act = recording.MakeAct(site.began);
  LedgerOverwritten(fd, act);
  recording.Journal(EventKind::kClosed, act, fd, -1);
}

}  // namespace fdaudit::shim
