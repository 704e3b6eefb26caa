#pragma once

// The call path of an intercepted function. Every event needs its hash, only a path that was never seen needs its
// frames, so the hash is the fast path: about 2 ns a frame where the thread's last path shares its outer part (the
// usual case, see memory.h), 8 ns else, no system call, no lock, no memory.
//
// Usable in every context: signal handlers on any stack, threads with 16 KiB, coroutines, children of fork, vfork and
// clone. errno stays. How frames are found: docs/unwinding.md.

#include <cstdint>

#include "shim/stack/rule_cache.h"
#include "shim/stack/step.h"

namespace fdaudit::shim {

/// Registers of the caller of the intercepted function, as they will be when that returns.
struct CallerRegisters {
  uintptr_t pc;  ///< return address
  uintptr_t sp;  ///< CFA of the interposer
  uintptr_t bp;  ///< the caller's RBP
};

/// For use in the body of an exported interposer itself (inlined callees included): relies on -fno-omit-frame-pointer,
/// and on the function having no local of more than 16 bytes' alignment. The interposer must still be running when the
/// registers are used.
#define FDAUDIT_CALLER_REGISTERS()                                                                \
  (::fdaudit::shim::CallerRegisters{static_cast<const uintptr_t*>(__builtin_frame_address(0))[1], \
                                    reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) + 16, \
                                    static_cast<const uintptr_t*>(__builtin_frame_address(0))[0]})

inline constexpr uint32_t kMaxDepth = 256;

/// More than 2 KiB: not for the stack of a thread that may have 16.
struct StackTrace {
  uint32_t count;
  bool cut;     ///< there are more frames than `depth`
  bool broken;  ///< the walk ended before the outermost frame
  uint64_t hash;
  uintptr_t pcs[kMaxDepth];        ///< return addresses, innermost first
  uint64_t exact[kMaxDepth / 64];  ///< bit i: pcs[i] was interrupted by a signal, it is not a return address
};

/// The frames one after the other, in 100 bytes of stack. The first is the caller itself.
class StackWalk {
 public:
  /// At most `depth` frames, and at most kMaxDepth.
  StackWalk(const CallerRegisters& caller, uint32_t depth);

  /// False: that was all; cut(), broken() and hash() are valid now.
  bool Next();

  uintptr_t pc() const { return PlainPc(frame_.pc); }
  bool exact() const { return (frame_.pc & kExactPc) != 0; }
  const Frame& frame() const { return frame_; }
  uint32_t count() const { return count_; }
  bool cut() const { return cut_; }
  bool broken() const { return broken_; }
  uint64_t hash() const;  ///< equal to HashStack's for the same caller

 private:
  Frame frame_;
  StackRange range_;
  uint32_t depth_;
  uint32_t count_ = 0;
  bool cut_ = false;
  bool broken_ = false;
  uint64_t sum_ = 0;
  uint64_t power_ = 1;
};

/// Hash of the current call path of at most `depth` frames; never 0. `nested`: this thread is inside another recording
/// (we are in a signal handler that interrupted it), so its memory of the last path is left alone.
uint64_t HashStack(const CallerRegisters& caller, uint32_t depth, bool nested);

/// The same path's frames, and the same hash.
void FillStack(const CallerRegisters& caller, uint32_t depth, StackTrace* out);

/// Drops this thread's memory of its last path. In the first event of a new process: nothing would go wrong without it.
void StackThreadReset();

}  // namespace fdaudit::shim
