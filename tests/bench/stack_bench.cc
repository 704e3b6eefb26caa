// stack_bench: what the stack walk costs, in nanoseconds a walk and a frame. Two call sites take turns, one of them two
// frames further in, as a program's next call usually shares all but the innermost frames with the last one.
//   remembered  HashStack, with the thread's memory of its last path
//   walked      HashStack without it: what a signal handler within a recording pays, and other stacks than the thread's
//   rule        one unwind rule from .eh_frame, at first sight of an address
//   backtrace   backtrace(3), for comparison

#include <execinfo.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "shim/stack/cfi_rules.h"
#include "shim/stack/walk.h"

#define NOINLINE __attribute__((noinline))

namespace {

using fdaudit::shim::CallerRegisters;
using fdaudit::shim::StackTrace;

constexpr int kRounds = 7;
constexpr int kCalls = 100'000;

enum class Kind { kRemembered, kWalked, kBacktrace };

double Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

volatile uint64_t sink;

NOINLINE void Event(Kind kind) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  if (kind == Kind::kBacktrace) {
    void* frames[fdaudit::shim::kMaxDepth];
    sink = static_cast<uint64_t>(backtrace(frames, fdaudit::shim::kMaxDepth));
  } else {
    sink = HashStack(caller, fdaudit::shim::kMaxDepth, kind == Kind::kWalked);
  }
}

NOINLINE void FurtherIn(Kind kind) {
  Event(kind);
  asm volatile("");
}

NOINLINE void TwoFurtherIn(Kind kind) {
  FurtherIn(kind);
  asm volatile("");
}

/// Nanoseconds a call, the best of some rounds.
NOINLINE double Measure(Kind kind, int calls) {
  double best = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    const double start = Now();
    for (int i = 0; i < calls; ++i) {
      if (i % 2 == 0) {
        Event(kind);
      } else {
        TwoFurtherIn(kind);
      }
    }
    best = std::min(best, (Now() - start) / calls);
  }
  return best;
}

NOINLINE void Report() {
  static StackTrace trace;
  FillStack(FDAUDIT_CALLER_REGISTERS(), fdaudit::shim::kMaxDepth, &trace);
  const double frames = trace.count + 2;  // Measure, and one more every other time
  const double remembered = Measure(Kind::kRemembered, kCalls);
  const double walked = Measure(Kind::kWalked, kCalls);
  const double backtraced = Measure(Kind::kBacktrace, kCalls / 100);
  std::printf(
      "%4.0f frames   remembered %6.1f ns, %4.1f a frame   walked %6.1f ns, %4.1f a frame   backtrace %8.0f ns\n",
      frames, remembered, remembered / frames, walked, walked / frames, backtraced);
}

NOINLINE int Descend(int frames);

NOINLINE int DescendByFramePointer(int frames) {
  char bytes[frames * 8 + 8];
  memset(bytes, frames, sizeof(bytes));
  const int result = Descend(frames - 1);
  asm volatile("" ::"r"(bytes) : "memory");
  return result + bytes[1];
}

NOINLINE int Descend(int frames) {
  if (frames <= 0) {
    Report();
    return 0;
  }
  const int result = frames % 3 == 0 ? DescendByFramePointer(frames) : Descend(frames - 1);
  asm volatile("");
  return result + 1;
}

void ReportRules() {
  fdaudit::shim::Module module;
  const auto code = reinterpret_cast<uintptr_t>(&std::printf);
  if (!fdaudit::shim::FindModule(code, &module)) return;
  constexpr int kRules = 20'000;
  const double start = Now();
  for (uintptr_t i = 0; i < kRules; ++i) {
    const uintptr_t pc = code + i * 37 % 200'000;
    fdaudit::shim::FindModule(pc, &module);
    sink = fdaudit::shim::FindCfiRule(module, pc, pc).rule.bits();
  }
  std::printf("rule at first sight: %.0f ns\n", (Now() - start) / kRules);
}

}  // namespace

int main() {
  for (const int frames : {0, 11, 41, 75, 150}) Descend(frames);
  ReportRules();
}
