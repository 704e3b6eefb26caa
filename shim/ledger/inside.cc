#include "shim/ledger/inside.h"

#include "shim/base/guard.h"
#include "shim/base/large.h"
#include "shim/base/thread.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/lifetime.h"
#include "shim/stack/table.h"

namespace fdaudit::shim {
namespace {

struct Inside {
  uintptr_t pc;      ///< where the call was made
  uint32_t thread;   ///< 0 = nobody; kClosed: the number has been closed meanwhile
  uint32_t finding;  ///< index + 1 of what that has become
  uint16_t call;
};
FDAUDIT_LARGE constinit Inside inside[kInsideNumbers] = {};

constexpr uint32_t kClosed = 1u << 31;

/// The caller's id; 0 where it is no ordinary thread of the image.
uint32_t OwnThread() {
  const uint32_t image = process_mark->image;
  if (image == 0 || OnForeignStorage() || InVforkChild()) return 0;
  const ThreadState& state = ThreadOf(image);
  return state.guest == nullptr && !state.own_table && thread_state.guests == 0 ? state.thread : 0;
}

/// In this process, which a fork may have left alone with its parent's marks.
bool IsThere(uint32_t thread) {
  return SystemCallsAllowed() && raw::Call(SYS_tgkill, raw::Pid(), static_cast<long>(thread), 0) == 0;
}

}  // namespace

bool EnterCall(const CallerRegisters& caller, uint16_t call, int fd) {
  if (NeverThreaded()) return false;
  const uint32_t self = OwnThread();
  if (self == 0) return false;
  Inside& entry = inside[fd];
  if (thread_state.inside_fd >= 0) {  // one that never returned
    uint32_t expected = self;
    Atomic(inside[thread_state.inside_fd].thread).compare_exchange_strong(expected, 0);
  }
  thread_state.inside_fd = fd;
  entry.pc = caller.pc;
  entry.call = call;
  Atomic(entry.thread).store(self, std::memory_order_release);
  return true;
}

void LeaveCall(const CallerRegisters& caller, int fd) {
  Inside& entry = inside[fd];
  thread_state.inside_fd = -1;
  const uint32_t self = thread_state.thread;
  const uint32_t found = Atomic(entry.thread).load(std::memory_order_acquire);
  if (found == self) return Atomic(entry.thread).store(0, std::memory_order_relaxed);
  if (found != (self | kClosed)) return;
  const uint32_t finding = entry.finding;
  Atomic(entry.thread).store(0, std::memory_order_relaxed);
  const int saved_errno = LastError();
  const Guard guard;
  CompleteClosedInUse(finding, thread_state.image, StackNumber(caller, guard.nested()));
  SetLastError(saved_errno);
}

void NoteClosedInside(int fd, const CloseTicket& ticket, const trace::Act& close) {
  if (static_cast<uint32_t>(fd) >= kInsideNumbers) return;
  Inside& entry = inside[fd];
  uint32_t thread = Atomic(entry.thread).load(std::memory_order_acquire);
  if (__builtin_expect(thread == 0, 1) || thread == close.thread || (thread & kClosed) != 0) return;
  const uintptr_t pc = entry.pc;
  const uint16_t call = entry.call;
  CloseOutcome lives;
  if (NeverThreaded() || !IsThere(thread) || !LedgerLifeOf(fd, ticket, &lives)) return;
  if (Atomic(entry.thread).load(std::memory_order_acquire) != thread) return;
  const uint32_t finding = NoteClosedInUse(fd, {close.stamp, close.image, thread, CallerNumber(pc), call, 0}, lives);
  if (finding == 0) return;
  entry.finding = finding;
  Atomic(entry.thread).compare_exchange_strong(thread, thread | kClosed);
}

}  // namespace fdaudit::shim
