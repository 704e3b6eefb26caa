#pragma once

// What the tests of the stack walk share: an interposer's stand-in, which walks with and without memory and asks
// backtrace(3), and the comparison of the three.

#include <execinfo.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "shim/stack/walk.h"

#define NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define WITH_FRAME_POINTER __attribute__((noinline))
#else
#define WITH_FRAME_POINTER __attribute__((noinline, optimize("no-omit-frame-pointer")))
#endif

namespace fdaudit::shim {

inline constexpr size_t kStackSize = 64 << 10;

/// The optimizer must not turn calls into jumps, or drop frames.
inline void KeepFrame() { asm volatile("" ::: "memory"); }

struct Seen {
  uint64_t hash = 0;  ///< HashStack's, with memory
  StackTrace trace;
  int backtrace_count = 0;
  void* backtrace[kMaxDepth + 8];
};
inline thread_local Seen seen;  // too large for small stacks

/// What an interposer does.
NOINLINE inline void Event(uint32_t depth = kMaxDepth) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  seen.hash = HashStack(caller, depth, false);
  FillStack(caller, depth, &seen.trace);
  seen.backtrace_count = backtrace(seen.backtrace, kMaxDepth + 8);
}

inline bool IsExact(uint32_t i) { return (seen.trace.exact[i / 64] >> i % 64 & 1) != 0; }

/// Event's frames without Event's own, as backtrace(3) sees them.
inline void ExpectSameAsBacktrace() {
  EXPECT_EQ(seen.hash, seen.trace.hash);
  EXPECT_FALSE(seen.trace.broken);
  ASSERT_EQ(seen.trace.count, static_cast<uint32_t>(seen.backtrace_count) - 1);
  for (uint32_t i = 0; i < seen.trace.count; ++i) {
    ASSERT_EQ(seen.trace.pcs[i], reinterpret_cast<uintptr_t>(seen.backtrace[i + 1])) << "frame " << i;
  }
}

/// Events that many frames further in.
NOINLINE inline int Recurse(int levels, uint32_t depth) {
  if (levels == 0) {
    Event(depth);
    return 0;
  }
  const int result = Recurse(levels - 1, depth);
  KeepFrame();
  return result + 1;
}

/// sigaction(2).
inline void HandleSignal(int number, int flags, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(number, &action, nullptr);
}

/// Runs `body` in a forked child and expects it to return true.
template <typename Body>
void ExpectInForkedChild(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

/// Calls with RBP as the program's own.
extern "C" void CallWithRbp(void (*function)(), uintptr_t rbp);

}  // namespace fdaudit::shim
