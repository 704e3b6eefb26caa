// The stack walk: what it returns, and its limits. Shapes of frames: stack_trees_test.cc, kinds of stacks:
// stack_places_test.cc, signals: stack_signals_test.cc, the memory of the last path: stack_memory_test.cc.

#include <errno.h>

#include <random>

#include "shim/stack/walk.h"
#include "tests/unit/stack_testing.h"

namespace fdaudit::shim {
namespace {

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

}  // namespace
}  // namespace fdaudit::shim
