#pragma once

// Findings that only the moment can prove: closes that failed with EBADF, and stale closes that hit another thread's
// descriptor. Equal ones share one record.
//
// Sweeps are no findings: a loop that closes every number up to some limit meets numbers that were never open. While a
// thread's closes come from one call path over neighbouring numbers they are a run; a run of three or more that meets a
// number never open in this image is a sweep, and what it has recorded so far is taken back. A run over numbers that
// were all open once stays what it is: double closes.

#include <cstdint>

#include "shim/base/thread.h"
#include "shim/ledger/ledger.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Records how a close of `fd` turned out and follows the thread's run of closes. `nested`: leave the run alone.
void NoteClose(ThreadState& thread, int fd, const trace::Act& act, const CloseOutcome& outcome, int error, bool nested);

/// What this thread's latest closes have noted belongs to a sweep by close_range.
void NoteClosesOfRange(ThreadState& thread);

/// A call has put something on this very number. Where the thread's latest failed close was of it, that made room.
void NotePlaced(ThreadState& thread, int fd, const trace::Act& act);

/// A stale close of what was just being opened: lives[0], which it has closed.
void NoteStaleHit(int fd, const CloseOutcome& outcome);

/// A use of `fd` failed with EBADF; `outcome` has the lives of the number, which this image had closed.
void NoteBadUse(int fd, const trace::Act& act, const CloseOutcome& outcome);

/// A use of `fd` failed with EBADF, and the number was never open here.
void NoteUnfoundedUse(int fd, const trace::Act& act);

/// A use of `fd`, which is open (lives[0]), failed for `error`. `access`: what it is open for.
void NoteMisuse(int fd, const trace::Act& act, const CloseOutcome& lives, int error, trace::FileAccess access);

/// `close` has closed lives[0], which a stream held that has printed since.
void NoteOwnedClose(int fd, const trace::Act& close, const CloseOutcome& lives);

/// lives[0] was closed while the thread of `use` was inside that call. Returns the number of a new record, 0 = there is
/// an equal one, or no room.
uint32_t NoteClosedInUse(int fd, const trace::Act& use, const CloseOutcome& lives);
/// That call has returned: its whole call path.
void CompleteClosedInUse(uint32_t finding, uint32_t image, uint32_t stack);

/// An ordinary open was given a standard number: lives[0] now, lives[1] closed before.
void NoteStdReused(int fd, const trace::Act& act, const CloseOutcome& lives);

/// close reported `error`, and the number is closed.
void NoteCloseError(int fd, const trace::Act& act, const CloseTicket& ticket, int error);

/// A call failed for want of a free descriptor (`error`: EMFILE, ENFILE), or four fifths of the limit were passed (0).
/// The first time it records who holds the table.
void NoteExhausted(const trace::Act& act, int error);

/// The first lowest free number at which four fifths of the limit are in use; 0 = not looked up yet.
inline constinit int32_t crowded_from = 0;
/// `fd` was handed out as the lowest free number, and is not below crowded_from.
void NoteCrowded(int fd, const trace::Act& act);

/// The program that exec started has inherited `life`, without an arrangement for it; `act` is of the new image.
void NoteCrossedExec(int fd, const trace::Act& act, const trace::Incarnation& life);

/// Findings made by this image.
uint32_t FindingsOf(uint32_t image);

}  // namespace fdaudit::shim
