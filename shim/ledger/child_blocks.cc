#include "shim/ledger/child_blocks.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>

#include "shim/base/raw_io.h"
#include "shim/ledger/slots.h"

namespace fdaudit::shim {

struct ChildBlock {
  uint32_t index;
  uint32_t copied;  ///< a bit for each group of trace::kSlotsPerBlock numbers
  ChildBlock* next;
  PrivateBlock block;
};

namespace {

using trace::Act;
using trace::Incarnation;
using trace::kSlotsPerBlock;
using trace::SlotState;

static_assert(kPrivateSlots / kSlotsPerBlock <= 32);

uint32_t GroupOf(int fd) { return static_cast<uint32_t>(fd) % kPrivateSlots / kSlotsPerBlock; }

ChildBlock* Whole(PrivateBlock* block) {
  return reinterpret_cast<ChildBlock*>(reinterpret_cast<char*>(block) - offsetof(ChildBlock, block));
}

PrivateBlock* OuterBlock(const VforkChild& child, uint32_t index) {
  return child.outer == nullptr ? ProcessBlockFor(index, false) : ChildBlockFor(*child.outer, index, false);
}

/// An empty block. What the pool's last child here has left serves again: a program that vforks does it often.
ChildBlock* NewBlock(VforkChild& child) {
  if (child.blocks != nullptr && child.blocks->index == UINT32_MAX) return child.blocks;
  if (!SystemCallsAllowed()) return nullptr;
  auto* made =
      static_cast<ChildBlock*>(raw::Map(sizeof(ChildBlock), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  if (made == nullptr) return nullptr;
  made->next = child.blocks;
  child.blocks = made;
  return made;
}

/// What others have done to the number since `moment` is none of the child's.
void TakeBack(PrivateSlot& slot, uint64_t moment) {
  Head head = Unpack(slot.head);
  head.flags = 0;
  Incarnation& last = slot.lives[head.count & 1];
  const bool is_later = last.opened.stamp > moment && head.count != 0;
  if (is_later) {
    last = Incarnation{};
    last.related = -1;
    --head.count;
    const Incarnation& before = slot.lives[head.count & 1];
    head.state = head.count == 0 || before.opened.stamp == 0 ? SlotState::kNever : SlotState::kClosed;
  }
  Incarnation& life = slot.lives[head.count & 1];
  if (head.state == SlotState::kClosed && (life.closed.stamp == 0 || life.closed.stamp > moment)) {
    life.closed = Act{};
    head.state = SlotState::kOpen;
  }
  slot.head = Pack(head);
}

}  // namespace

PrivateBlock* ChildBlockFor(VforkChild& child, uint32_t index, bool make) {
  for (ChildBlock* block = child.blocks; block != nullptr; block = block->next) {
    if (block->index == index) return &block->block;
  }
  const PrivateBlock* outer = OuterBlock(child, index);
  if (outer == nullptr && !make) return nullptr;
  ChildBlock* made = NewBlock(child);
  if (made == nullptr) return nullptr;
  made->copied = 0;
  if (outer == nullptr) {
    memset(static_cast<void*>(&made->block), 0, sizeof made->block);
    made->copied = UINT32_MAX;
  } else {
    memcpy(made->block.used, outer->used, sizeof outer->used);
    memcpy(made->block.mirrors, outer->mirrors, sizeof outer->mirrors);
  }
  made->index = index;
  return &made->block;
}

bool HasGroup(const PrivateBlock* block, int fd) {
  return (Whole(const_cast<PrivateBlock*>(block))->copied >> GroupOf(fd) & 1) != 0;
}

void CopyGroup(VforkChild& child, PrivateBlock* block, int fd) {
  if (HasGroup(block, fd)) return;
  ChildBlock& whole = *Whole(block);
  const uint32_t group = GroupOf(fd);
  PrivateBlock* outer = OuterBlock(child, whole.index);
  if (outer != nullptr && child.outer != nullptr) CopyGroup(*child.outer, outer, fd);
  PrivateSlot* slots = &block->slots[group * kSlotsPerBlock];
  if (outer == nullptr) {
    memset(static_cast<void*>(slots), 0, kSlotsPerBlock * sizeof *slots);
  } else {
    memcpy(static_cast<void*>(slots), &outer->slots[group * kSlotsPerBlock], kSlotsPerBlock * sizeof *slots);
    block->mirrors[group] = outer->mirrors[group];
  }
  for (uint32_t i = 0; i < kSlotsPerBlock; ++i) TakeBack(slots[i], child.began);
  whole.copied |= 1u << group;
}

void ReleaseChildBlocks(VforkChild& child) {
  while (child.blocks != nullptr && child.blocks->next != nullptr) {
    ChildBlock* gone = child.blocks;
    child.blocks = gone->next;
    raw::Unmap(gone, sizeof *gone);
  }
  if (child.blocks != nullptr) child.blocks->index = UINT32_MAX;
}

}  // namespace fdaudit::shim
