#pragma once

// Knows whether this thread is inside a recording already, which happens when a signal handler interrupts one. A nested
// recording works, but leaves the thread's own shortcuts (its last stack, its last run of closes) alone.
//
// A boolean would stay set for ever when the handler leaves by siglongjmp. So the guard keeps the address of its own
// stack frame: the stack grows downwards, so a mark below the current frame belongs to a frame that is gone, unless we
// run on an alternate signal stack, where addresses say nothing. The kernel knows; asking it is for this rare case
// only.

#include <signal.h>

#include <cstdint>

#include "shim/base/raw_io.h"
#include "shim/base/thread_pointer.h"

namespace fdaudit::shim {

inline thread_local constinit uintptr_t recording_frame = 0;

inline bool OnAlternateStack() {
  stack_t stack = {};
  if (!SystemCallsAllowed()) return true;
  return raw::Call(SYS_sigaltstack, 0, raw::Address(&stack)) == 0 && (stack.ss_flags & SS_ONSTACK) != 0;
}

class Guard {
 public:
  Guard() : foreign_(OnForeignStorage()) {
    if (foreign_) return;
    outer_ = recording_frame;
    const auto here = reinterpret_cast<uintptr_t>(this);
    nested_ = outer_ != 0 && (outer_ > here || OnAlternateStack());
    recording_frame = here;
  }
  ~Guard() {
    if (!foreign_) recording_frame = nested_ ? outer_ : 0;
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  /// Inside another recording of this thread, or possibly so.
  bool nested() const { return nested_; }

 private:
  uintptr_t outer_ = 0;
  bool nested_ = true;
  const bool foreign_;  ///< there is no `recording_frame`
};

}  // namespace fdaudit::shim
