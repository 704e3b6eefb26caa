// The stack walk against backtrace(3) on random call trees, over functions with frames of every shape.

#include <alloca.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "shim/stack/libunwind_rules.h"
#include "shim/stack/objects.h"
#include "shim/stack/walk.h"
#include "tests/unit/stack_testing.h"

namespace fdaudit::shim {
namespace {

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

asm(R"(
.text
.globl CallWithRbp
.hidden CallWithRbp
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

TEST(StackTest, LibunwindAsTheSourceOfRules) {
  ExpectInForkedChild([] {
    if (!UseLibunwindRules()) return false;
    Tree tree;
    tree.limit = 20'000;
    GrowTree(&tree, 25);
    return tree.mismatches == 0;
  });
}

}  // namespace
}  // namespace fdaudit::shim
