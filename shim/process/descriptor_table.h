#pragma once

// Which descriptor table a caller uses. The ledger describes one table; but clone(2) makes, in every mixture, tasks
// that share this memory and have a table of their own (the way of vfork), or share the table and have memory of their
// own, and unshare(2) gives a thread a table of its own. A task that uses another table than the ledger's leaves the
// ledger alone.
//
//   own memory, own table        fork: an image of its own, which finds its process mark wiped
//   own memory, shared table     an image of its own. Both ledgers miss what the other does: kReasonSharedTable, no
//                                findings about closes and leaks in either
//   shared memory, shared table  a thread, or a process that is as good as one: the same image and ledger. The image
//                                ends with its first process; if others go on then, it is kReasonSharedTable
//   shared memory, own table     vfork: an image and a ledger of its own (vfork_child.h). Others: their acts are not in
//                                the ledger (kReasonOwnTable), their exec is followed
//
// A task that clone(2) made in this memory is a *guest*. It may share even the thread-local storage of the thread that
// made it, and run at the same time; so while a thread has guests on its TLS, gettid(2) shows which of them calls. A
// guest that is unknown (a system call by number, no room) is the stranger, and leaves the ledger alone.
//
// Any thread, any signal context, no locks, errno untouched.

#include <cstdint>

#include "shim/base/thread.h"

namespace fdaudit::shim {

struct Guest {
  uint32_t taken;      ///< 1 = in use
  uint32_t thread;     ///< its tid; 0 = it has not begun
  int flags;           ///< clone's
  bool own_table;      ///< its table is not the ledger's
  bool leaves;         ///< it is about to exec, and gone unless that fails
  bool has_state;      ///< it has a TLS of its own, which is fit for use: something was recorded with it
  ThreadState* host;   ///< on whose TLS it runs; nullptr: on its own
  ThreadState states;  ///< stands for thread_state where its TLS is another's
};

/// True once a task was made in this memory that may run beside us.
inline constinit bool memory_is_shared = false;

/// Before clone makes a task in this memory. nullptr: no room, it will be a stranger.
Guest* AdmitGuest(int flags);
/// The first thing in the new task.
void EnterAsGuest(Guest* guest);
/// It is gone, or was never made.
void DismissGuest(Guest* guest, int flags);
/// After clone has returned in the task that called it: dismisses where it has failed, or has waited for the guest.
void SettleGuest(Guest* guest, int flags, bool failed);

/// Whether this is another process than the image's: its exec is not the image's, nor its end.
bool IsGuestProcess(const ThreadState& self);
/// The state of those who are not known: several may use it at once.
inline bool IsStranger(const ThreadState& self) { return self.guest != nullptr && self.thread == 0; }
/// The guest calls exec, which ends it; or that has failed.
void GuestLeaves(ThreadState& self);
void GuestStays(ThreadState& self);
/// The guest ends.
void GuestEnds(ThreadState& self);

/// Somebody else's process shares the ledger's table now, in this memory.
bool GuestsShareTable();
/// Whether unshare(CLONE_FILES) would give the calling thread another table than the ledger's.
bool LeavesLedgersTable(const ThreadState& self);
/// The calling thread has left the ledger's table.
void NoteTableLeft(ThreadState& self);

/// In a task that has waited for another one in its memory (vfork): unmaps what the exec of that one has left
/// (MappedRoom).
void UnmapLeftRoom(ThreadState& state);

/// A forked child starts alone.
void ForgetSharing();

}  // namespace fdaudit::shim
