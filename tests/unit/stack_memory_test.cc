// The thread's memory of its last path: paths that differ in what is easily overlooked, and walks that are interrupted.

#include <alloca.h>
#include <setjmp.h>
#include <sys/time.h>

#include <cstdint>

#include "shim/base/guard.h"
#include "shim/stack/memory.h"
#include "shim/stack/walk.h"
#include "tests/unit/stack_testing.h"

namespace fdaudit::shim {
namespace {

// Two callers with frames of the same size; the outer one differs only far out.
NOINLINE void Inner() {
  Event();
  KeepFrame();
}
NOINLINE void Middle() {
  Inner();
  KeepFrame();
}
NOINLINE void FirstOuter() {
  Middle();
  KeepFrame();
}
NOINLINE void SecondOuter() {
  Middle();
  KeepFrame();
}

TEST(StackTest, MemoryNoticesAnotherOuterFrame) {
  uint64_t hashes[2];
  for (int round = 0; round < 4; ++round) {
    round % 2 == 0 ? FirstOuter() : SecondOuter();
    ExpectSameAsBacktrace();
    if (round >= 2) {
      EXPECT_EQ(seen.hash, hashes[round % 2]);
    }
    hashes[round % 2] = seen.hash;
  }
  EXPECT_NE(hashes[0], hashes[1]);
}

// Two frames inwards all registers are equal, and only what the aligned frame saved about its caller differs: the
// padding below the caller's frame takes up the difference.
NOINLINE void InAlignedFrame() {
  alignas(256) char bytes[256];
  void* more = alloca(seen.trace.count % 2 + 1);  // the compiler then keeps the CFA in memory
  asm volatile("" ::"r"(bytes), "r"(more) : "memory");
  Event();
  asm volatile("" ::"r"(bytes), "r"(more) : "memory");
}

NOINLINE void CallAlignedFrame(bool more) {
  void* padding = alloca(16);
  if (more) {
    void* another = alloca(16);
    asm volatile("" ::"r"(another) : "memory");
    InAlignedFrame();
    KeepFrame();
  } else {
    InAlignedFrame();
  }
  asm volatile("" ::"r"(padding) : "memory");
}

NOINLINE void AtDistance(size_t distance, bool more) {
  void* bytes = alloca(distance);
  CallAlignedFrame(more);
  asm volatile("" ::"r"(bytes) : "memory");
}

TEST(StackTest, MemoryNoticesAnotherFrameBehindARealignedOne) {
  for (size_t distance = 0; distance < 256; distance += 16) {
    const volatile int calls = 2;
    for (int call = 0; call < calls; ++call) AtDistance(distance, call == 0);
    ExpectSameAsBacktrace();
  }
}

// The innermost frames have equal registers, RBP included; only the RBP that one of them saved differs, and with it
// where the frames further out are.
extern "C" NOINLINE void PlainEvent() {
  Event();
  KeepFrame();
}
extern "C" void OtherRbpEvent();
asm(R"(
.text
.type OtherRbpEvent, @function
OtherRbpEvent:
  .cfi_startproc
  push %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset 6, -16
  mov $1, %ebp
  call PlainEvent
  pop %rbp
  .cfi_def_cfa_offset 8
  ret
  .cfi_endproc
)");

NOINLINE void InnerBlock(size_t size, void (*function)()) {
  void* bytes = alloca(size);
  asm volatile("" ::"r"(bytes) : "memory");
  function();
  asm volatile("" ::"r"(bytes) : "memory");
}

NOINLINE void OuterBlock(bool first, void (*function)()) {
  void* bytes = alloca(first ? 64 : 160);
  asm volatile("" ::"r"(bytes) : "memory");
  if (first) {
    InnerBlock(160, function);
    KeepFrame();
  } else {
    InnerBlock(64, function);
  }
  asm volatile("" ::"r"(bytes) : "memory");
}

/// From one call site, with the same registers, and without a pause in which what the former call left on the stack
/// could be overwritten.
WITH_FRAME_POINTER void CallThreeTimes(const int* choices) {
  const volatile int calls = 3;
  for (int call = 0; call < calls; ++call) {
    const int bits = *choices >> 2 * call;
    OuterBlock((bits & 1) != 0, (bits & 2) != 0 ? PlainEvent : OtherRbpEvent);
  }
}

TEST(StackTest, MemoryNoticesAnotherSavedFramePointer) {
  for (int i = 0; i < 64; ++i) {
    // From one call site, and without a pause in which what the former call left on the stack could be overwritten.
    CallThreeTimes(&i);
    ExpectSameAsBacktrace();
  }
}

NOINLINE void ThroughBlock() { InnerBlock(32, PlainEvent); }

TEST(StackTest, RbpIsAnythingBetweenFramesThatRestoreIt) {
  uint64_t hashes[3] = {};
  const auto inner = [] { CallWithRbp(PlainEvent, 17); };
  const volatile uintptr_t values = 20;
  for (uintptr_t value = 0; value < values; ++value) {
    void (*const functions[])() = {PlainEvent, ThroughBlock, inner};
    for (int i = 0; i < 3; ++i) {
      CallWithRbp(functions[i], value * 8);
      ExpectSameAsBacktrace();
      if (value > 0) {
        EXPECT_EQ(seen.hash, hashes[i]);
      }
      hashes[i] = seen.hash;
    }
  }
}

// Signals at any moment, some of whose handlers never return, while call trees are walked. As in the shim, the guard
// shows a handler whether it has interrupted a recording.

sigjmp_buf restart;
volatile sig_atomic_t signals;
volatile sig_atomic_t wrong_in_handler;
/// A handler is on its way to `restart`: libc's longjmp has no unwind rules once it has loaded the first registers.
volatile sig_atomic_t leaving;
thread_local StackTrace handler_trace;

NOINLINE void HandlerEvent() {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  const Guard guard;
  const uint64_t hash = HashStack(caller, 64, guard.nested());
  FillStack(caller, 64, &handler_trace);
  if (hash != handler_trace.hash || (handler_trace.broken && leaving == 0)) wrong_in_handler = wrong_in_handler + 1;
}

void OnTimer(int) {
  signals = signals + 1;
  HandlerEvent();
  if (signals % 7 != 0) return;
  leaving = 1;
  siglongjmp(restart, 1);
}

struct Counts {
  int events = 0;
  int mismatches = 0;
};

NOINLINE void HashOnly(Counts* counts, int levels) {
  if (levels > 0) {
    for (int i = 0; i < 2; ++i) HashOnly(counts, levels - 1);
    KeepFrame();
    return;
  }
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  const Guard guard;
  const uint64_t remembered = HashStack(caller, 64, guard.nested());
  if (remembered != HashStack(caller, 64, true)) ++counts->mismatches;
  ++counts->events;
}

TEST(StackTest, InterruptedWalksAreNeverWrong) {
  static Counts counts;
  signals = 0;
  wrong_in_handler = 0;
  HandleSignal(SIGALRM, 0, OnTimer);
  const itimerval often = {{0, 50}, {0, 50}};
  setitimer(ITIMER_REAL, &often, nullptr);
  sigsetjmp(restart, 1);
  leaving = 0;
  while (signals < 5'000) HashOnly(&counts, 6);
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  HandleSignal(SIGALRM, 0, SIG_DFL);
  EXPECT_EQ(counts.mismatches, 0);
  EXPECT_EQ(wrong_in_handler, 0);
  EXPECT_GT(counts.events, 1'000);
}

}  // namespace
}  // namespace fdaudit::shim
