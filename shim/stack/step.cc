// See step.h.

#include "shim/stack/step.h"

#include "shim/base/probe.h"

namespace fdaudit::shim {
namespace {

/// A frame pointer further away than this is not one.
constexpr uintptr_t kLargestGuessedFrame = 1 << 20;

bool Load(uintptr_t address, StackRange* range, uint64_t* value) {
  if (!range->Covers(address)) return false;
  *value = LoadWord(address);
  return true;
}

uintptr_t Plus(uintptr_t address, int64_t distance) { return address + static_cast<uintptr_t>(distance); }

/// No rule: code from a JIT compiler, or assembly without CFI. Compilers that do this keep frame pointers (V8,
/// HotSpot's interpreter, Go, LuaJIT's callers), but RBP may hold anything, so everything must fit: a plausible address
/// not far above, frame pointers that go up, and a return address behind a call instruction.
StepResult StepByFramePointer(Frame* frame, StackRange* range) {
  const uintptr_t bp = frame->bp;
  if (!range->proven() && !ProbesWork()) return StepResult::kBroken;
  if (bp % 8 != 0 || bp < frame->sp || bp - frame->sp > kLargestGuessedFrame) return StepResult::kBroken;
  uint64_t next = 0;
  uint64_t pc = 0;
  if (!Load(bp, range, &next) || !Load(bp + 8, range, &pc)) return StepResult::kBroken;
  if (next != 0 && next <= bp) return StepResult::kBroken;
  if (pc == 0) return StepResult::kEnd;
  if ((pc & kExactPc) != 0 || !FollowsCall(pc)) return StepResult::kBroken;
  *frame = {pc, bp + 16, next};
  return StepResult::kStepped;
}

bool ComputeCfa(Rule rule, const Frame& frame, StackRange* range, uintptr_t* cfa) {
  const bool from_rbp = rule.cfa() == CfaKind::kRbp || rule.cfa() == CfaKind::kAtRbp;
  const uintptr_t base = Plus(from_rbp ? frame.bp : frame.sp, rule.n());
  if (rule.cfa() == CfaKind::kRsp || rule.cfa() == CfaKind::kRbp) {
    *cfa = base;
    return true;
  }
  if (!Load(base, range, cfa)) return false;
  if (!rule.Unpack().return_at_rsp) *cfa = Plus(*cfa, rule.extra());
  return true;
}

bool RecoverRbp(Rule rule, const Frame& frame, uintptr_t cfa, StackRange* range, uintptr_t* bp) {
  switch (rule.rbp()) {
    case RbpKind::kSame:
      *bp = frame.bp;
      return true;
    case RbpKind::kAtCfa:
      return Load(Plus(cfa, rule.k()), range, bp);
    case RbpKind::kAtRsp:
      return Load(Plus(frame.sp, rule.k()), range, bp);
    case RbpKind::kAtRbp:
      return Load(Plus(frame.bp, rule.k()), range, bp);
    case RbpKind::kLost:
      *bp = 0;
      return true;  // no stack lies there: a frame that needs it ends the walk
  }
  return false;
}

}  // namespace

namespace internal {

__attribute__((noinline)) StepResult StepOddly(Rule rule, Frame* frame, StackRange* range) {
  if (rule.cfa() == CfaKind::kEnd) return StepResult::kEnd;
  if (rule.cfa() == CfaKind::kGuess) return StepByFramePointer(frame, range);
  if (rule.cfa() == CfaKind::kUnknown) return StepResult::kBroken;
  const RuleParts parts = rule.Unpack();
  uintptr_t cfa = 0;
  if (!ComputeCfa(rule, *frame, range, &cfa)) return StepResult::kBroken;
  // Only a signal may have switched stacks.
  if (!parts.signal && cfa <= frame->sp) return StepResult::kBroken;
  uint64_t pc = 0;
  uintptr_t bp = 0;
  // RBP first: with the return address still in sight of RSP, both lie on the old stack.
  if (!RecoverRbp(rule, *frame, cfa, range, &bp)) return StepResult::kBroken;
  if (!Load(parts.return_at_rsp ? Plus(frame->sp, int64_t{parts.extra} * 8) : cfa - 8, range, &pc)) {
    return StepResult::kBroken;
  }
  if (pc == 0) return StepResult::kEnd;
  *frame = {parts.signal ? pc | kExactPc : pc & ~kExactPc, cfa, bp};
  return StepResult::kStepped;
}

}  // namespace internal
}  // namespace fdaudit::shim
