// The stack walk against backtrace(3), on frames of every shape and on every kind of stack; and the thread's memory of
// its last path against fresh walks.

#include "shim/stack.h"

#include <alloca.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "shim/libunwind_rules.h"
#include "shim/raw_io.h"

#define NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define WITH_FRAME_POINTER __attribute__((noinline))
#else
#define WITH_FRAME_POINTER __attribute__((noinline, optimize("no-omit-frame-pointer")))
#endif

namespace fdaudit::shim {
namespace {

constexpr size_t kStackSize = 64 << 10;

/// The optimizer must not turn calls into jumps, or drop frames.
void KeepFrame() { asm volatile("" ::: "memory"); }

struct Seen {
  uint64_t hash = 0;  ///< HashStack's, with memory
  StackTrace trace;
  int backtrace_count = 0;
  void* backtrace[kMaxDepth + 8];
};
thread_local Seen seen;  // too large for small stacks

/// What an interposer does.
NOINLINE void Event(uint32_t depth = kMaxDepth) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  seen.hash = HashStack(caller, depth, false);
  FillStack(caller, depth, &seen.trace);
  seen.backtrace_count = backtrace(seen.backtrace, kMaxDepth + 8);
}

bool IsExact(uint32_t i) { return (seen.trace.exact[i / 64] >> i % 64 & 1) != 0; }

/// Event's frames without Event's own, as backtrace(3) sees them.
void ExpectSameAsBacktrace() {
  EXPECT_EQ(seen.hash, seen.trace.hash);
  EXPECT_FALSE(seen.trace.broken);
  ASSERT_EQ(seen.trace.count, static_cast<uint32_t>(seen.backtrace_count) - 1);
  for (uint32_t i = 0; i < seen.trace.count; ++i) {
    ASSERT_EQ(seen.trace.pcs[i], reinterpret_cast<uintptr_t>(seen.backtrace[i + 1])) << "frame " << i;
  }
}

TEST(StackTest, SeesWhatBacktraceSees) {
  Event();
  ExpectSameAsBacktrace();
  EXPECT_GT(seen.trace.count, 5U);
}

TEST(StackTest, KeepsErrno) {
  errno = 4711;
  Event();
  EXPECT_EQ(errno, 4711);
}

// ---------------------------------------------------------------------------------------------------------------------
// Random call trees over functions with frames of every shape.

struct Tree {
  std::mt19937 random{7};
  int events = 0;
  int limit = 0;
  uint32_t depth = kMaxDepth;
  int mismatches = 0;
};

using Shape = void (*)(Tree*, int);
void Descend(Tree* tree, int levels);

NOINLINE void Plain(Tree* tree, int levels) {
  Descend(tree, levels);
  KeepFrame();
}

NOINLINE void Large(Tree* tree, int levels) {
  char bytes[5000];
  memset(bytes, levels, sizeof(bytes));
  Descend(tree, levels);
  asm volatile("" ::"r"(bytes) : "memory");
}

NOINLINE void VariableLength(Tree* tree, int levels) {
  const size_t size = 1 + tree->random() % 400;
  auto* bytes = static_cast<char*>(alloca(size));
  memset(bytes, levels, size);
  Descend(tree, levels);
  asm volatile("" ::"r"(bytes) : "memory");
}

NOINLINE void Aligned(Tree* tree, int levels) {
  alignas(64) char bytes[192];
  memset(bytes, levels, sizeof(bytes));
  asm volatile("" ::"r"(bytes) : "memory");
  Descend(tree, levels);
  asm volatile("" ::"r"(bytes) : "memory");
}

NOINLINE void AlignedAndVariable(Tree* tree, int levels) {
  alignas(32) char bytes[32];
  auto* more = static_cast<char*>(alloca(tree->random() % 300));
  asm volatile("" ::"r"(bytes), "r"(more) : "memory");
  Descend(tree, levels);
  asm volatile("" ::"r"(bytes), "r"(more) : "memory");
}

__attribute__((noinline, force_align_arg_pointer)) void Realigned(Tree* tree, int levels) {
  Descend(tree, levels);
  KeepFrame();
}

WITH_FRAME_POINTER void WithFramePointer(Tree* tree, int levels) {
  Descend(tree, levels);
  KeepFrame();
}

/// Many registers are saved, so RBP is used for something else.
NOINLINE void BusyRegisters(Tree* tree, int levels) {
  int a = levels;
  int b = a * 3;
  int c = b ^ a;
  int d = c + 7;
  int e = d * b;
  int f = e - c;
  asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
  Descend(tree, levels);
  asm volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f));
}

extern "C" int CompareElements(const void* a, const void* b);
thread_local Tree* sorting_tree;
thread_local int sorting_levels;

NOINLINE void ThroughLibc(Tree* tree, int levels) {
  int numbers[3] = {2, 1, 3};
  sorting_tree = tree;
  sorting_levels = levels;
  qsort(numbers, 3, sizeof(int), CompareElements);
  KeepFrame();
}

extern "C" int CompareElements(const void* a, const void* b) {
  Tree* tree = sorting_tree;
  sorting_tree = nullptr;
  if (tree != nullptr) Descend(tree, sorting_levels);
  return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

/// RBP as the program's own, between frames that restore it.
extern "C" void CallWithRbp(void (*function)(), uintptr_t rbp);
asm(R"(
.text
.type CallWithRbp, @function
CallWithRbp:
  .cfi_startproc
  push %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset 6, -16
  mov %rsi, %rbp
  call *%rdi
  pop %rbp
  .cfi_def_cfa_offset 8
  ret
  .cfi_endproc
)");

thread_local int continued_levels;
thread_local Tree* continued_tree;

void Continue() {
  Descend(continued_tree, continued_levels);
  KeepFrame();
}

NOINLINE void ForeignRbp(Tree* tree, int levels) {
  continued_tree = tree;
  continued_levels = levels;
  CallWithRbp(Continue, tree->random());
  KeepFrame();
}

constexpr Shape kShapes[] = {
    ForeignRbp,       Plain,         Large,      VariableLength, Aligned, AlignedAndVariable, Realigned,
    WithFramePointer, BusyRegisters, ThroughLibc};

NOINLINE void TreeEvent(Tree* tree) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  seen.hash = HashStack(caller, tree->depth, false);
  FillStack(caller, tree->depth, &seen.trace);
  seen.backtrace_count = backtrace(seen.backtrace, static_cast<int>(tree->depth) + 1);
  ++tree->events;
  bool same = seen.hash == seen.trace.hash && !seen.trace.broken &&
              seen.trace.count == static_cast<uint32_t>(seen.backtrace_count) - 1;
  for (uint32_t i = 0; same && i < seen.trace.count; ++i) {
    same = seen.trace.pcs[i] == reinterpret_cast<uintptr_t>(seen.backtrace[i + 1]);
  }
  if (!same) ++tree->mismatches;
}

NOINLINE void Descend(Tree* tree, int levels) {
  const unsigned children = 1 + tree->random() % 3;
  for (unsigned i = 0; i < children && tree->events < tree->limit; ++i) {
    if (levels == 0 || tree->random() % 4 == 0) {
      TreeEvent(tree);
    } else {
      kShapes[tree->random() % std::size(kShapes)](tree, levels - 1);
    }
  }
}

void GrowTree(Tree* tree, int levels) {
  while (tree->events < tree->limit) Descend(tree, levels);
}

TEST(StackTest, RandomCallTreesAsBacktrace) {
  Tree tree;
  tree.limit = 100'000;
  GrowTree(&tree, 25);
  EXPECT_EQ(tree.mismatches, 0);
}

TEST(StackTest, RandomCallTreesCutByDepth) {
  for (const uint32_t depth : {1U, 3U, 10U, 17U, 64U, 200U}) {
    Tree tree;
    tree.random.seed(depth);
    tree.limit = 5'000;
    tree.depth = depth;
    GrowTree(&tree, 40);
    EXPECT_EQ(tree.mismatches, 0) << depth;
  }
}

TEST(StackTest, RandomCallTreesDeeperThanTheMemory) {
  for (const uint32_t depth : {64U, 150U, kMaxDepth - 1}) {
    Tree tree;
    tree.random.seed(depth);
    tree.limit = 5'000;
    tree.depth = depth;
    for (int levels = 60; tree.events < tree.limit; levels = 60 + levels * 7 % 50) Descend(&tree, levels);
    EXPECT_EQ(tree.mismatches, 0) << depth;
  }
}

TEST(StackTest, RandomCallTreesByLinkMaps) {
  UseLinkMapsOnly(true);
  ForgetRules();
  Tree tree;
  tree.limit = 2'000;
  GrowTree(&tree, 25);
  EXPECT_EQ(tree.mismatches, 0);
  UseLinkMapsOnly(false);
}

TEST(StackTest, RandomCallTreesInManyThreads) {
  int mismatches[4] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&mismatches, i] {
      Tree tree;
      tree.random.seed(static_cast<unsigned>(i));
      tree.limit = 5'000;
      GrowTree(&tree, 20);
      mismatches[i] = tree.mismatches;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : mismatches) EXPECT_EQ(count, 0);
}

// ---------------------------------------------------------------------------------------------------------------------

NOINLINE int Recurse(int levels, uint32_t depth) {
  if (levels == 0) {
    Event(depth);
    return 0;
  }
  const int result = Recurse(levels - 1, depth);
  KeepFrame();
  return result + 1;
}

TEST(StackTest, DeeperThanTheLimitIsCut) {
  for (const int levels : {300, 5, 400, 1000, 1001, 999, 300}) {
    Recurse(levels, kMaxDepth);
    EXPECT_EQ(seen.hash, seen.trace.hash);
    EXPECT_EQ(seen.trace.cut, levels > 250);
    EXPECT_FALSE(seen.trace.broken);
    if (levels > 250) {
      EXPECT_EQ(seen.trace.count, kMaxDepth);
    }
  }
}

TEST(StackTest, DepthThatJustFitsIsNotCut) {
  Recurse(10, kMaxDepth);
  const uint32_t frames = seen.trace.count;
  for (const uint32_t depth : {frames - 1, frames, frames + 1, frames - 1}) {
    Recurse(10, depth);
    EXPECT_EQ(seen.trace.cut, depth < frames);
    EXPECT_EQ(seen.hash, seen.trace.hash);
    EXPECT_EQ(seen.trace.count, depth < frames ? depth : frames);
  }
}

TEST(StackTest, DifferentPathsHaveDifferentHashes) {
  Recurse(3, kMaxDepth);
  const uint64_t three = seen.hash;
  Recurse(4, kMaxDepth);
  const uint64_t four = seen.hash;
  Recurse(3, kMaxDepth);
  EXPECT_NE(three, four);
  const uint32_t frames = seen.trace.count;
  Recurse(3, frames - 1);
  EXPECT_NE(seen.hash, three);
}

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

// ---------------------------------------------------------------------------------------------------------------------
// Signals

void OnSignal(int) {
  Event();
  KeepFrame();
}

/// Installs OnSignal, on an alternate stack if wanted.
void HandleSignal(int number, int flags, void (*handler)(int) = OnSignal) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(number, &action, nullptr);
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
  HandleSignal(SIGUSR1, 0);
  for (int i = 0; i < 3; ++i) {
    raise(SIGUSR1);
    ExpectSignalFrames();
  }
}

TEST(StackTest, SignalHandlerOnAnAlternateStack) {
  const AlternateStack stack;
  HandleSignal(SIGUSR1, SA_ONSTACK);
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

// Signals at any moment, some of whose handlers never return, while call trees are walked.

sigjmp_buf restart;
volatile sig_atomic_t signals;
volatile sig_atomic_t wrong_in_handler;
thread_local StackTrace handler_trace;

NOINLINE void HandlerEvent(bool nested) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  const uint64_t hash = HashStack(caller, 64, nested);
  FillStack(caller, 64, &handler_trace);
  if (hash != handler_trace.hash || handler_trace.broken) wrong_in_handler = wrong_in_handler + 1;
}

void OnTimer(int) {
  signals = signals + 1;
  HandlerEvent(signals % 3 != 0);
  if (signals % 7 == 0) siglongjmp(restart, 1);
}

NOINLINE void HashOnly(Tree* tree, int levels) {
  if (levels > 0) {
    for (int i = 0; i < 2; ++i) HashOnly(tree, levels - 1);
    KeepFrame();
    return;
  }
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  const uint64_t remembered = HashStack(caller, 64, false);
  if (remembered != HashStack(caller, 64, true)) ++tree->mismatches;
  ++tree->events;
}

TEST(StackTest, InterruptedWalksAreNeverWrong) {
  static Tree tree;
  signals = 0;
  wrong_in_handler = 0;
  HandleSignal(SIGALRM, 0, OnTimer);
  const itimerval often = {{0, 50}, {0, 50}};
  setitimer(ITIMER_REAL, &often, nullptr);
  sigsetjmp(restart, 1);
  while (signals < 5'000) HashOnly(&tree, 6);
  const itimerval never = {};
  setitimer(ITIMER_REAL, &never, nullptr);
  HandleSignal(SIGALRM, 0, SIG_DFL);
  EXPECT_EQ(tree.mismatches, 0);
  EXPECT_EQ(wrong_in_handler, 0);
  EXPECT_GT(tree.events, 1'000);
}

// ---------------------------------------------------------------------------------------------------------------------
// Other stacks

class Coroutine {
 public:
  explicit Coroutine(void (*function)()) {
    memory_ = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    getcontext(&context_);
    context_.uc_stack.ss_sp = memory_;
    context_.uc_stack.ss_size = kStackSize;
    context_.uc_link = &back_;
    makecontext(&context_, function, 0);
  }
  ~Coroutine() { munmap(memory_, kStackSize); }
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  NOINLINE void Resume() {
    Coroutine* previous = current;
    current = this;
    swapcontext(&back_, &context_);
    current = previous;
  }
  static NOINLINE void Yield() {
    Coroutine* self = current;
    swapcontext(&self->context_, &self->back_);
  }
  static thread_local Coroutine* current;

 private:
  void* memory_;
  ucontext_t context_;
  ucontext_t back_;
};
thread_local Coroutine* Coroutine::current;

void CoroutineBody() {
  for (int i = 0; i < 50; ++i) {
    Recurse(i % 7, kMaxDepth);
    ExpectSameAsBacktrace();
    Coroutine::Yield();
  }
}

TEST(StackTest, CoroutinesThatTakeTurns) {
  for (int life = 0; life < 20; ++life) {  // their stacks are unmapped, and mapped again
    Coroutine first(CoroutineBody);
    Coroutine second(CoroutineBody);
    for (int i = 0; i < 20; ++i) {
      first.Resume();
      Recurse(i % 5, kMaxDepth);
      ExpectSameAsBacktrace();
      if (i % 3 != 0) second.Resume();
    }
  }
}

TEST(StackTest, CoroutinesInAThread) {
  std::thread([] {
    Coroutine coroutine(CoroutineBody);
    for (int i = 0; i < 20; ++i) {
      coroutine.Resume();
      Event();
      ExpectSameAsBacktrace();
    }
  }).join();
}

TEST(StackTest, UnknownStackWithoutSystemCallsEndsTheWalk) {
  static StackTrace trace;
  Coroutine coroutine([] {
    system_calls_forbidden = true;
    const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
    FillStack(caller, kMaxDepth, &trace);
    system_calls_forbidden = false;
  });
  coroutine.Resume();
  EXPECT_GE(trace.count, 1U);
}

TEST(StackTest, OwnStackWithoutSystemCalls) {
  std::thread([] {
    system_calls_forbidden = true;
    Recurse(5, kMaxDepth);
    system_calls_forbidden = false;
    ExpectSameAsBacktrace();
  }).join();
}

void* SmallThread(void*) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  static StackTrace trace;
  const uint64_t hash = HashStack(caller, kMaxDepth, false);
  FillStack(caller, kMaxDepth, &trace);
  EXPECT_EQ(hash, trace.hash);
  EXPECT_FALSE(trace.broken);
  EXPECT_GE(trace.count, 2U);
  return nullptr;
}

TEST(StackTest, ThreadWithTheSmallestStack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, static_cast<size_t>(sysconf(_SC_THREAD_STACK_MIN))), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, SmallThread, nullptr), 0);
  pthread_join(thread, nullptr);
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

TEST(StackTest, LibunwindAsTheSourceOfRules) {
  ExpectInForkedChild([] {
    if (!UseLibunwindRules()) return false;
    Tree tree;
    tree.limit = 20'000;
    GrowTree(&tree, 25);
    return tree.mismatches == 0;
  });
}

TEST(StackTest, LibunwindLeavesDescriptorNumbersFree) {
  ExpectInForkedChild([] {
    const int before = dup(0);
    close(before);
    if (!UseLibunwindRules()) return false;
    Event();
    return dup(0) == before;
  });
}

TEST(StackTest, VforkedChild) {
  static volatile bool same;
  Event();
  const pid_t child = vfork();
  if (child == 0) {
    const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
    same = HashStack(caller, 64, false) == HashStack(caller, 64, true);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(same);
  Event();
  ExpectSameAsBacktrace();
}

int CloneBody(void* same) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  *static_cast<bool*>(same) = HashStack(caller, 64, false) == HashStack(caller, 64, true);
  return 0;
}

TEST(StackTest, ClonedChildOnItsOwnStackInTheSameMemory) {
  void* stack = mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  bool same = false;
  const pid_t child = clone(CloneBody, static_cast<char*>(stack) + kStackSize, CLONE_VM | SIGCHLD, &same);
  int status = -1;
  waitpid(child, &status, 0);
  munmap(stack, kStackSize);
  EXPECT_TRUE(same);
  Event();
  ExpectSameAsBacktrace();
}

TEST(StackTest, ForkedChild) {
  Event();
  ExpectInForkedChild([] {
    StackThreadReset();
    Event();
    return seen.hash == seen.trace.hash && !seen.trace.broken;
  });
}

/// Nothing on the stack makes sense: the walk ends, and the process lives.
TEST(StackTest, GarbageRegistersEndTheWalk) {
  std::mt19937_64 random(3);
  const CallerRegisters good = FDAUDIT_CALLER_REGISTERS();
  for (int i = 0; i < 20'000; ++i) {
    CallerRegisters caller = good;
    if (i % 2 == 0) caller.bp = i % 4 == 0 ? random() : caller.sp + random() % 100'000;
    if (i % 3 == 0) caller.pc = i % 9 == 0 ? random() >> 17 : caller.pc + random() % 100'000;
    HashStack(caller, kMaxDepth, i % 5 == 0);
    FillStack(caller, kMaxDepth, &seen.trace);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Another library at the same address

class LibraryTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/stack-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// A library whose function has a frame of `size` bytes and calls back.
  std::string Build(const char* name, int size) {
    const std::string source = folder_ + "/" + name + ".c";
    std::string library = folder_ + "/" + name + ".so";
    std::ofstream(source) << "void Call(void (*f)(void)) { volatile char b[" << size
                          << "]; b[0] = 1; f(); b[1] = 1; }\n";
    const std::string command = "cc -O1 -fPIC -shared -o " + library + " " + source;
    EXPECT_EQ(system(command.c_str()), 0);
    return library;
  }

 private:
  std::string folder_;
};

TEST_F(LibraryTest, AnotherLibraryAtTheSameAddress) {
  const std::string libraries[] = {Build("a", 100), Build("b", 900)};
  uintptr_t addresses[2] = {};
  for (int i = 0; i < 6; ++i) {
    void* handle = dlopen(libraries[i % 2].c_str(), RTLD_NOW);
    ASSERT_NE(handle, nullptr) << dlerror();
    const auto call = reinterpret_cast<void (*)(void (*)())>(dlsym(handle, "Call"));
    addresses[i % 2] = reinterpret_cast<uintptr_t>(call);
    call([] { Event(); });
    ExpectSameAsBacktrace();
    dlclose(handle);
    ForgetRules();
  }
  EXPECT_EQ(addresses[0], addresses[1]) << "not what was meant to be tested";
}

}  // namespace
}  // namespace fdaudit::shim
