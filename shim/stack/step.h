#pragma once

// One step of the walk: from a frame to its caller. Usable in every context; loads only what StackRange allows.

#include <cstdint>

#include "shim/stack/range.h"
#include "shim/stack/rule_cache.h"

namespace fdaudit::shim {

/// The registers of one frame, as they are when the call that it is in returns (or where a signal interrupted it).
struct Frame {
  uint64_t pc;  ///< kExactPc set where interrupted
  uintptr_t sp;
  uintptr_t bp;
};

enum class StepResult : uint8_t {
  kStepped,
  kEnd,     ///< that was the outermost frame
  kBroken,  ///< no rule, or memory that may not be read
};

/// What a step depended on, besides pc, RSP and the return address below the CFA.
struct Link {
  uintptr_t rbp_from;  ///< where the new frame's RBP was loaded from: an address, or one of the below
  bool needed_rbp;     ///< the old frame's RBP showed where the new frame is
};
inline constexpr uintptr_t kRbpUnchanged = 0;
inline constexpr uintptr_t kOddLoads = 1;  ///< other loads than the return address below the CFA and RBP

inline uint64_t LoadWord(uintptr_t address) { return *reinterpret_cast<const uint64_t*>(address); }

namespace internal {
StepResult StepOddly(Rule rule, Frame* frame, StackRange* range);
}

/// Replaces `frame` by its caller. Where it does not step, `frame` is as before.
inline StepResult Step(Frame* frame, StackRange* range, Link* link) {
  const Rule rule = RuleFor(frame->pc);
  if (!rule.plain()) [[unlikely]] {
    *link = {kOddLoads, rule.cfa() != CfaKind::kEnd};
    return internal::StepOddly(rule, frame, range);
  }
  link->needed_rbp = rule.cfa_from_rbp();
  const uintptr_t base = rule.cfa_from_rbp() ? frame->bp : frame->sp;
  const uintptr_t cfa = base + static_cast<uintptr_t>(intptr_t{rule.n()});
  // A stack grows downwards: a caller's frame lies above. Anything else is damage, and might be a loop.
  if (cfa <= frame->sp || !range->Covers(cfa - 8)) [[unlikely]]
    return StepResult::kBroken;
  // Without a branch on what the rule is, which would be hard to predict: an unchanged RBP loads something, too.
  const bool saved = rule.rbp_saved();
  const uintptr_t place = saved ? cfa + static_cast<uintptr_t>(intptr_t{rule.k()}) : cfa - 8;
  if (!range->Covers(place)) [[unlikely]]
    return StepResult::kBroken;
  const uint64_t pc = LoadWord(cfa - 8);
  const uint64_t loaded = LoadWord(place);
  if (pc == 0) [[unlikely]]
    return StepResult::kEnd;
  link->rbp_from = saved ? place : kRbpUnchanged;
  *frame = {pc & ~kExactPc, cfa, saved ? loaded : frame->bp};
  return StepResult::kStepped;
}

}  // namespace fdaudit::shim
