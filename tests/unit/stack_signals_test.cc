// The stack walk through signal frames.

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "shim/base/raw_io.h"
#include "shim/stack/walk.h"
#include "tests/unit/stack_testing.h"

namespace fdaudit::shim {
namespace {

void OnSignal(int) {
  Event();
  KeepFrame();
}

class AlternateStack {
 public:
  AlternateStack() {
    memory_ = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {};
    stack.ss_sp = memory_;
    stack.ss_size = kStackSize;
    sigaltstack(&stack, nullptr);
  }
  ~AlternateStack() {
    stack_t stack = {};
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
    munmap(memory_, kStackSize);
  }

 private:
  void* memory_;
};

void ExpectSignalFrames() {
  ExpectSameAsBacktrace();
  EXPECT_FALSE(IsExact(0));
  EXPECT_FALSE(IsExact(1));
  int exact = 0;
  for (uint32_t i = 0; i < seen.trace.count; ++i) exact += IsExact(i) ? 1 : 0;
  EXPECT_EQ(exact, 1);
}

TEST(StackTest, SignalHandlerOnTheSameStack) {
  HandleSignal(SIGUSR1, 0, OnSignal);
  for (int i = 0; i < 3; ++i) {
    raise(SIGUSR1);
    ExpectSignalFrames();
  }
}

TEST(StackTest, SignalHandlerOnAnAlternateStack) {
  const AlternateStack stack;
  HandleSignal(SIGUSR1, SA_ONSTACK, OnSignal);
  for (int i = 0; i < 3; ++i) {
    raise(SIGUSR1);
    ExpectSignalFrames();
  }
}

/// The instruction that faults is the function's first: one before it, another function's rule would hold.
__attribute__((noinline, naked)) void FaultAtOnce() { asm("ud2\n\tret"); }

sigjmp_buf after_fault;
void OnFault(int) {
  Event();
  siglongjmp(after_fault, 1);
}

TEST(StackTest, InterruptedAtAFunctionsFirstInstruction) {
  HandleSignal(SIGILL, 0, OnFault);
  for (int i = 0; i < 2; ++i) {
    if (sigsetjmp(after_fault, 1) == 0) FaultAtOnce();
    ExpectSignalFrames();
    bool found = false;
    for (uint32_t k = 0; k < seen.trace.count; ++k) {
      found = found || (IsExact(k) && seen.trace.pcs[k] == reinterpret_cast<uintptr_t>(&FaultAtOnce));
    }
    EXPECT_TRUE(found);
  }
  HandleSignal(SIGILL, 0, SIG_DFL);
}

/// A restorer without unwind information, as Go's and others'. sigaction(2) by hand, since libc brings its own. Right
/// behind another function, whose rule the byte before has: backtrace(3) crashes here.
extern "C" void ForeignRestorer();
asm(".text\n\t.type ForeignRestorer, @function\nForeignRestorer:\n\tmov $15, %eax\n\tsyscall\n\tud2\n");

void OnSignalUntraced(int) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  seen.hash = HashStack(caller, kMaxDepth, false);
  FillStack(caller, kMaxDepth, &seen.trace);
}

TEST(StackTest, ForeignSignalRestorer) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  } action = {OnSignalUntraced, 0x04000000 /* SA_RESTORER */, ForeignRestorer, 0};
  ASSERT_EQ(raw::Call(SYS_rt_sigaction, SIGUSR2, raw::Address(&action), 0, 8), 0);
  raise(SIGUSR2);
  EXPECT_FALSE(seen.trace.broken);
  EXPECT_EQ(seen.hash, seen.trace.hash);
  EXPECT_EQ(seen.trace.pcs[0], reinterpret_cast<uintptr_t>(&ForeignRestorer));
  EXPECT_TRUE(IsExact(1));
  EXPECT_GT(seen.trace.count, 6U);
}

}  // namespace
}  // namespace fdaudit::shim
