// See walk.h.

#include "shim/stack/walk.h"

#include "shim/stack/hash.h"
#include "shim/stack/memory.h"

namespace fdaudit::shim {

StackWalk::StackWalk(const CallerRegisters& caller, uint32_t depth)
    : frame_{caller.pc, caller.sp, caller.bp}, range_(caller.sp), depth_(depth < kMaxDepth ? depth : kMaxDepth) {}

bool StackWalk::Next() {
  if (count_ > 0) {
    Link link;
    const StepResult result = Step(&frame_, &range_, &link);
    broken_ = result == StepResult::kBroken;
    if (result != StepResult::kStepped) return false;
  }
  cut_ = count_ == depth_;
  if (cut_) return false;
  ++count_;
  sum_ += MixFrame(frame_.pc) * power_;
  power_ *= kHashBase;
  return true;
}

uint64_t StackWalk::hash() const { return FinishHash(sum_, count_, cut_, broken_); }

uint64_t HashStack(const CallerRegisters& caller, uint32_t depth, bool nested) {
  uint64_t hash = 0;
  if (!nested && HashWithMemory(caller, depth < kMaxDepth ? depth : kMaxDepth, &hash)) return hash;
  StackWalk walk(caller, depth);
  while (walk.Next()) {
  }
  return walk.hash();
}

void FillStack(const CallerRegisters& caller, uint32_t depth, StackTrace* out) {
  StackWalk walk(caller, depth);
  for (uint64_t& bits : out->exact) bits = 0;
  while (walk.Next()) {
    const uint32_t index = walk.count() - 1;
    out->pcs[index] = walk.pc();
    out->exact[index / 64] |= uint64_t{walk.exact()} << index % 64;
  }
  out->count = walk.count();
  out->cut = walk.cut();
  out->broken = walk.broken();
  out->hash = walk.hash();
}

}  // namespace fdaudit::shim
