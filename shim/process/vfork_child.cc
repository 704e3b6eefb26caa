#include "shim/process/vfork_child.h"

#include "shim/base/clock.h"
#include "shim/base/large.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/image.h"

namespace fdaudit::shim {
namespace {

constexpr uint32_t kMostChildren = 16;  // that exist at once
FDAUDIT_LARGE_FILLED constinit VforkChild children[kMostChildren] = {};

constexpr uint32_t kDepthBits = 16;
constexpr uint32_t kDepthMask = (1u << kDepthBits) - 1;

uint32_t NumberOf(const VforkChild* child) {
  return child == nullptr ? 0 : static_cast<uint32_t>(child - children) + 1;
}

VforkChild* Take() {
  for (VforkChild& child : children) {
    uint32_t free = 0;
    if (Atomic(child.taken).compare_exchange_strong(free, 1)) return &child;
  }
  return nullptr;
}

}  // namespace

uint32_t VforkMark(const ThreadState& self) {
  return (self.vfork_depth & kDepthMask) | NumberOf(self.vfork_child) << kDepthBits;
}

void EnterVforkChild(ThreadState& self) {
  const bool is_recorded = process_mark->image != 0 && self.UsesLedger();
  VforkChild* child = is_recorded ? Take() : nullptr;
  if (child == nullptr) {
    ++self.vfork_depth;
    self.vfork_image = 0;
    return;
  }
  child->image = 0;
  child->is_over = false;
  child->outer = self.vfork_child;
  child->began = Stamp();
  child->reach = -1;
  self.vfork_child = child;
}

void LeaveVforkChildren(ThreadState& self, uint32_t mark, void (*release)(VforkChild&)) {
  UnmapLeftRoom(self);
  self.vfork_depth = mark & kDepthMask;
  while (self.vfork_child != nullptr && NumberOf(self.vfork_child) != mark >> kDepthBits) {
    VforkChild& child = *self.vfork_child;
    self.vfork_child = child.outer;
    release(child);
    Atomic(child.taken).store(0, std::memory_order_release);
  }
}

void ForgetVforkChildren() {
  if (thread_state.vfork_child != nullptr) thread_state.vfork_child = nullptr;
  for (VforkChild& child : children) {
    if (child.taken != 0) child.taken = 0;  // pages that are not touched are not copied
  }
}

}  // namespace fdaudit::shim
