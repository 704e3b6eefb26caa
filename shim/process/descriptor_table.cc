#include "shim/process/descriptor_table.h"

#include <linux/kcmp.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>

#include "shim/base/large.h"
#include "shim/base/raw_io.h"
#include "shim/process/image.h"
#include "shim/process/vfork_child.h"

namespace fdaudit::shim {
namespace {

constexpr uint32_t kMostGuests = 64;
FDAUDIT_LARGE_FILLED constinit Guest guests[kMostGuests] = {};
constinit Guest stranger = {.taken = 1,
                            .thread = 0,
                            .flags = 0,
                            .own_table = true,
                            .leaves = false,
                            .has_state = false,
                            .host = nullptr,
                            .states = {.own_table = true}};

/// Threads of this process that have left the ledger's table: the first one (whose tid is the pid), others.
constinit bool first_thread_left = false;
constinit bool other_thread_left = false;

bool SharesTls(int flags) { return (flags & CLONE_SETTLS) == 0; }

Guest* GuestOf(uint32_t thread) {
  for (Guest& guest : guests) {
    if (Atomic(guest.taken).load(std::memory_order_acquire) != 0 && guest.thread == thread) return &guest;
  }
  return nullptr;
}

bool Take(Guest& guest) {
  uint32_t free = 0;
  if (Atomic(guest.taken).compare_exchange_strong(free, 1)) return true;
  return guest.leaves && Atomic(guest.leaves).exchange(false);
}

/// A thread whose first act this is, in a process where threads have left the ledger's table. It has the table of the
/// thread that made it; kcmp(2) compares it with the first thread's, as long as that can be asked.
bool UsesLedgersTable(uint32_t thread, int pid) {
  const long order = raw::Call(SYS_kcmp, pid, thread, KCMP_FILES);
  return first_thread_left ? order > 0 && !other_thread_left : order == 0;
}

/// Its pointer to itself would be a relocation, which costs every exec'd program a page.
ThreadState& Stranger() {
  stranger.states.guest = &stranger;
  return stranger.states;
}

/// Finds out whose table a thread with a state of its own uses.
void Place(ThreadState& state) {
  if (!SystemCallsAllowed()) {
    state.own_table = true;
    return;
  }
  const int pid = ImageOf(state.image)->pid;
  if (Guest* guest = GuestOf(state.thread); guest != nullptr) {
    state.guest = guest;
    state.own_table = guest->own_table;
    guest->has_state = true;
  } else if (memory_is_shared && raw::Pid() != pid) {
    state.guest = &stranger;
    state.own_table = true;
  } else if (first_thread_left || other_thread_left) {
    state.own_table = !UsesLedgersTable(state.thread, pid);
  }
}

void Renew(ThreadState& state, uint32_t image) {
  const uint32_t depth = state.vfork_depth;
  const uint32_t kept = state.vfork_image;
  state = ThreadState();
  state.vfork_depth = depth;
  state.vfork_image = kept;
  state.image = image;
  state.thread = SystemCallsAllowed() ? static_cast<uint32_t>(raw::ThreadId()) : 0;
  if (thread_count.image != image) thread_count = {image, 0};
  Atomic(thread_count.threads).fetch_add(1, std::memory_order_relaxed);
}

/// Dismisses those guests on this TLS that have exec'd: they have another memory now, or are gone.
void DismissGone(ThreadState& state) {
  for (Guest& guest : guests) {
    if (guest.host != &state || !Atomic(guest.leaves).load()) continue;
    const long order = raw::Call(SYS_kcmp, state.thread, guest.thread, KCMP_VM);
    if (order > 0 || order == -ESRCH) DismissGuest(&guest, guest.flags);
  }
}

}  // namespace

ThreadState& FindThread(uint32_t image) {
  ThreadState& state = thread_state;
  if (state.vfork_child != nullptr && state.vfork_child->image == image) return state.vfork_child->state;
  if (state.image != image) {
    Renew(state, image);
    if (memory_is_shared || first_thread_left || other_thread_left) Place(state);
  }
  if (Atomic(state.guests).load(std::memory_order_relaxed) == 0) return state;
  if (!SystemCallsAllowed()) return Stranger();
  const auto thread = static_cast<uint32_t>(raw::ThreadId());
  if (thread == state.thread) {
    DismissGone(state);
    return state;
  }
  Guest* guest = GuestOf(thread);
  if (guest == nullptr) return Stranger();
  if (guest->states.image != image) {
    Renew(guest->states, image);
    guest->states.guest = guest;
    guest->states.own_table = guest->own_table;
  }
  return guest->states;
}

Guest* AdmitGuest(int flags) {
  memory_is_shared = true;
  const bool own_table = (flags & CLONE_FILES) == 0;
  if (own_table && (flags & CLONE_THREAD) != 0) other_thread_left = true;
  if (SharesTls(flags)) Atomic(thread_state.guests).fetch_add(1);
  for (Guest& guest : guests) {
    if (!Take(guest)) continue;
    guest.thread = 0;
    guest.flags = flags;
    guest.own_table = own_table;
    guest.has_state = false;
    guest.host = SharesTls(flags) ? &thread_state : nullptr;
    guest.states = {};
    return &guest;
  }
  return nullptr;
}

void EnterAsGuest(Guest* guest) {
  if (guest == nullptr || !SystemCallsAllowed()) return;
  Atomic(guest->thread).store(static_cast<uint32_t>(raw::ThreadId()), std::memory_order_release);
}

void DismissGuest(Guest* guest, int flags) {
  if (guest != nullptr) {
    guest->thread = 0;
    guest->leaves = false;
    guest->host = nullptr;
    Atomic(guest->taken).store(0, std::memory_order_release);
  }
  // Last: from now on who calls on this TLS is taken for its owner.
  if (SharesTls(flags)) Atomic(thread_state.guests).fetch_sub(1);
}

void UnmapLeftRoom(ThreadState& state) {
  if (state.room == nullptr) return;
  raw::Unmap(state.room, state.room_size);
  state.room = nullptr;
}

void SettleGuest(Guest* guest, int flags, bool failed) {
  if (!failed && guest != nullptr && (flags & CLONE_VFORK) != 0) UnmapLeftRoom(guest->states);
  if (failed || (flags & CLONE_VFORK) != 0) DismissGuest(guest, flags);
}

bool IsGuestProcess(const ThreadState& self) {
  return self.vfork_depth != 0 || (self.guest != nullptr && (self.guest->flags & CLONE_THREAD) == 0);
}

// The caller of a clone with CLONE_VFORK waits for its guest, and dismisses it.
namespace {

bool GoesUnwatched(const ThreadState& self) {
  return self.guest != nullptr && self.guest != &stranger && (self.guest->flags & CLONE_VFORK) == 0;
}

}  // namespace

void GuestLeaves(ThreadState& self) {
  if (GoesUnwatched(self)) Atomic(self.guest->leaves).store(true);
}

void GuestStays(ThreadState& self) {
  if (GoesUnwatched(self)) Atomic(self.guest->leaves).store(false);
}

void GuestEnds(ThreadState& self) {
  if (GoesUnwatched(self)) DismissGuest(self.guest, self.guest->flags);
}

bool GuestsShareTable() {
  if (!memory_is_shared) return false;
  for (Guest& guest : guests) {
    const bool here = Atomic(guest.taken).load(std::memory_order_acquire) != 0 && !guest.leaves;
    if (here && !guest.own_table && (guest.flags & CLONE_THREAD) == 0) return true;
  }
  return false;
}

bool LeavesLedgersTable(const ThreadState& self) {
  if (!self.UsesLedger() || NeverThreaded()) return false;
  if (GuestsShareTable() || self.guest != nullptr || !SystemCallsAllowed()) return true;
  // The folder has two links and one for each thread. Nothing is opened.
  struct stat status = {};
  const long failed = raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address("/proc/self/task"), raw::Address(&status), 0);
  return failed != 0 || status.st_nlink != 3;
}

void NoteTableLeft(ThreadState& self) {
  Atomic(ImageOf(self.image)->reasons).fetch_or(trace::kReasonOwnTable);
  self.own_table = true;
  if (self.guest != nullptr) self.guest->own_table = true;
  const bool is_first = self.thread == static_cast<uint32_t>(ImageOf(self.image)->pid);
  (is_first ? first_thread_left : other_thread_left) = true;
}

void ForgetSharing() {
  ForgetVforkChildren();
  if (!memory_is_shared && !first_thread_left && !other_thread_left) return;
  memory_is_shared = first_thread_left = other_thread_left = false;
  for (Guest& guest : guests) guest = {};
}

}  // namespace fdaudit::shim
