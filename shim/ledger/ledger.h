#pragma once

// What each descriptor number is now and was before.
//
// The authoritative ledger lies in private memory, so that a forked child starts with a snapshot of its parent's; every
// change is mirrored into the trace. No thread waits for another: a slot's head (count of incarnations and state)
// changes by compare-and-swap, and who loses looks again.
//
// A snapshot taken by fork may be caught in the middle of another thread's change. So a number that this image has not
// touched yet is checked with the kernel when it is (fcntl F_GETFD).
//
// Order. A close is recorded before its system call (the number can be handed out again the moment that returns), an
// open after it. A stale close may therefore find its number "closed" although another thread has just been given it
// and has not recorded that yet. Such a close leaves a mark in the slot, and the one that records later, closer or
// opener, sees from the stamps that the two overlap, and knows the incarnation's end.
//
// All functions: any thread, any signal context, no locks, errno untouched.

#include <cstdint>

#include "shim/ledger/owner.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// What is known of a descriptor when it is opened.
struct NewDescriptor {
  trace::FdKind kind = trace::FdKind::kUnknown;
  uint8_t flags = 0;     ///< trace::IncarnationFlags
  uint16_t detail = 0;   ///< sockets: domain << 8 | type
  int32_t related = -1;  ///< other end, or what it was duplicated from
  const void* owner = nullptr;
  bool declared = false;  ///< `owner` is a declared one's tag
  const char* target = nullptr;
  bool lowest = true;  ///< the kernel chose the lowest free number
};

/// Where a close stands between its recording and its return.
struct CloseTicket {
  enum class Found : uint8_t {
    kOpen,    ///< it was open; now recorded as closed
    kClosed,  ///< this image had closed it already: a stale close
    kNever,   ///< never open in this image
    kGone,    ///< was open, and a close that was not seen, or not understood, came first
    kNoRoom,  ///< not in the ledger for lack of room
  };
  Found found = Found::kNoRoom;
  bool counted = false;           ///< among the slot's closes under way
  bool marked = false;            ///< a stale close: it could leave its mark in the slot
  bool overwrote = false;         ///< dup2 had put it over a live descriptor of this image's own
  OwnerTag gave_up = kNobody;     ///< nobody holds it, and this declared owner has held the number before
  OwnerTag owner = kNobody;       ///< tag of what of this image's own held it (see owner.h); 0 = nothing
  OwnerTag last_owner = kNobody;  ///< the same of the life before, which this image has closed
  uint32_t count = 0;             ///< the incarnation (its parity picks the life)
};

/// How a stale or unfounded close turned out, with what the number's slot knew of it.
struct CloseOutcome {
  enum class Verdict : uint8_t {
    kFine,
    kFailedStale,    ///< EBADF on a number that this image had closed
    kFailedNever,    ///< EBADF on a number never open here
    kHitOther,       ///< it succeeded, and closed what another thread had just opened
    kHitOverwriter,  ///< it succeeded, and closed what dup2 had put over another descriptor of this image
    kHitOwned,       ///< it succeeded, and closed what another owner (owner.h) of this image's held
  };
  Verdict verdict = Verdict::kFine;
  trace::Incarnation lives[2] = {};  ///< [0] the incarnation in question, [1] the one before it
  OwnerTag closer = kNobody;         ///< the tag by which it was closed; 0 = by its number, or by its stream
};

/// Records that `fd` was opened by a call that began at `began`. Returns the incarnation's count, 0 for lack of room.
/// `hit` is set when a stale close has closed it in the meantime.
uint32_t LedgerOpen(int fd, const trace::Act& act, const NewDescriptor& what, uint64_t began, CloseOutcome* hit);

/// Before the system call.
CloseTicket LedgerCloseBegin(int fd, const trace::Act& act);
/// After it. `error`: 0, or errno; any other than EBADF means that the number is closed (Linux, close(2)).
CloseOutcome LedgerCloseEnd(int fd, const CloseTicket& ticket, const trace::Act& act, int error);
/// The story of what the ticket's close has closed; false where the number belongs to somebody else by now.
bool LedgerLifeOf(int fd, const CloseTicket& ticket, CloseOutcome* out);
/// A close that was notable for `verdict` has returned: records it, unless the number belongs to somebody else by now.
void LedgerNotableClose(int fd, const CloseTicket& ticket, CloseOutcome::Verdict verdict, CloseOutcome* out);
/// A recorded close never happened (a cancelled thread, close_range that failed): puts the descriptor back.
void LedgerCloseUndo(int fd, uint32_t count);

/// close_range: closes every number of the ledger in [first, last]. Returns how many.
uint32_t LedgerCloseRange(uint32_t first, uint32_t last, const trace::Act& act);
void LedgerUndoRange(uint32_t first, uint32_t last, const trace::Act& act);

/// The closes of [first, last] by call path `stack` are found to be those of a loop over all numbers.
void LedgerMarkSwept(int first, int last, uint32_t stack);

/// A close of `fd` that is found out afterwards: dup2's silent one, or one inside libc.
/// `count`: of this incarnation only; 0 = of any.
void LedgerOverwritten(int fd, const trace::Act& act, uint32_t count = 0);

/// dup2 has put what is at `fd` over something live, and its source was closed at once: the number's owner goes on with
/// something else behind it, as log rotation does.
void LedgerReplaced(int fd);

/// The kind, target and such of `fd`, to be taken over by a duplicate. False where the ledger does not know it.
bool LedgerDescribe(int fd, NewDescriptor* out, char (&target)[trace::kTargetSize]);

/// The owner of this image's that holds `fd`, put into `out`; nothing where none does.
void LedgerOwner(int fd, NewDescriptor* out);

/// The text of what `fd` refers to, or last referred to; empty where unknown.
void LedgerTarget(int fd, char (&target)[trace::kTargetSize]);

/// The last two lives of `fd`; false where the current one is not open or the one before was not closed by this image.
bool LedgerLives(int fd, CloseOutcome* out);

/// Who holds the table: open descriptors by the call path that opened them, for as many paths as fit.
struct Holder {
  uint32_t stack;
  uint32_t count;
};
void LedgerHolders(Holder (&out)[trace::kMaxHolders]);

/// What this image knows of a number with which a call has failed.
enum class Standing : uint8_t {
  kUnknown,
  kNever,   ///< it was never open here, and is not
  kClosed,  ///< this image has closed it, and it was not opened since
  kOpen,
};
/// `lives`: the number's last two, for kClosed and kOpen.
Standing LedgerStanding(int fd, CloseOutcome* lives);

/// What a call has just shown about the socket `fd`. `address`: local for kBound, the peer's for the last two, in
/// words.
enum class SocketStep : uint8_t { kBound, kListening, kConnecting, kConnected };
void LedgerAddressed(int fd, SocketStep step, const char* address);

/// A FILE* or DIR* takes `fd` over.
void LedgerAdopt(int fd, uint8_t owner_flag, const void* owner);
/// The tag (owner.h) of what holds `fd`; 0 = nothing, or not known.
OwnerTag LedgerOwnerTag(int fd);
/// Whether `owner`, a stream, has held a descriptor of this image's and closed it, and holds none now: which number,
/// and its life. All slots are looked at.
bool LedgerClosedOwner(OwnerTag owner, int* fd, CloseOutcome* out);
/// `owner` (0 = none) takes over from `expected` (0 = none). False: that one does not hold it. Where it did, in a
/// life that this image has closed since, `lost` is that one.
bool LedgerExchangeOwner(int fd, OwnerTag expected, OwnerTag owner, CloseOutcome* lost);
/// The opener of `fd` leaves it open on purpose.
void LedgerLeaveOpen(int fd);
/// Descriptors above 2 that this image has opened since `stamp` and that are open.
uint32_t LedgerCountOpenedSince(uint64_t stamp);
/// `fd` refers to `target` from now on.
void LedgerRetarget(int fd, const char* target);
/// The epoll set `set` watches `fd` from now on, or no more. Returns fd's incarnation, 0 where the ledger doesn't know
/// it.
uint32_t LedgerRegister(int fd, int set, bool on);
void LedgerSetCloseOnExec(int fd, bool on);
void LedgerSetCloseOnExecRange(uint32_t first, uint32_t last);

/// A new image begins: notes what it got from outside. For a forked child nothing is to be done but counting.
void LedgerBeginForked();
/// After exec: finds what is open, and who opened it.
void LedgerBeginExeced();

/// The incarnation of `fd` where the ledger has it open, else 0.
uint32_t LedgerOpenCount(int fd);

/// The lowest numbers that are free as far as the ledger knows, ascending. Returns how many, `count` at most.
int LedgerLowestFree(int* fds, int count);

/// Open descriptors, as far as the ledger knows.
uint32_t LedgerCountOpen();

/// Descriptors above 2 that this image opened and that are open.
uint32_t LeaksSoFar();

/// Adds up what this image has opened and closed so far, in its record.
void LedgerSumUp();

/// The image ends by exit: compares with the kernel's table, completes targets, sums up, releases what has nothing to
/// report. `comparable`: the caller's table is the ledger's.
void LedgerEnd(bool comparable);

/// The caller has got a copy of the ledger's table for itself. As after a fork, no one has to close both.
void LedgerCopied();

}  // namespace fdaudit::shim
