#pragma once

// Which memory the walk may load from. A load beyond the stack would kill the audited program, and nothing says where a
// stack ends: pthread_getattr_np(3) opens a file and deadlocks in signal handlers, coroutine libraries ask no one.
//
//   - The thread's own stack ends at the thread control block (NPTL puts it on top of the stack), the first thread's at
//     __libc_stack_end. That we run on it, and not on a coroutine's stack that lies below, is proven once: every page
//     from RSP to the top is probed (50 ns each) and the proven range is kept for the thread. Guard pages are holes.
//   - Any other stack (alternate signal stack, makecontext, boost, clone) is probed page by page as the walk proceeds,
//     every time: the mapping may be gone tomorrow.
//   - Where system calls are forbidden, or probes do not work (probe.h), the thread's own stack is believed in if RSP
//   is near its top; others end the walk.
//
// The proven range is thread-local and survives fork and vfork. Usable in every context; a signal handler that comes
// between sees either no range or a proven one.

#include <cstdint>

namespace fdaudit::shim {

class StackRange {
 public:
  /// The range for a walk that starts at `sp`.
  explicit StackRange(uintptr_t sp);

  /// Whether the 8 bytes at `address` may be loaded.
  bool Covers(uintptr_t address) { return Contains(address) || Extend(address); }

  /// This thread's own stack, proven: memory of former walks may be compared with it.
  bool proven() const { return proven_; }

  /// Valid where proven().
  uintptr_t top() const { return end_; }

 private:
  bool Contains(uintptr_t address) const { return address - start_ <= end_ - start_ - 8; }
  bool Extend(uintptr_t address);
  bool UseOwnStack(uintptr_t address);

  // Never smaller than a page, so that Contains can subtract.
  uintptr_t start_;
  uintptr_t end_;
  bool proven_ = false;
};

}  // namespace fdaudit::shim
