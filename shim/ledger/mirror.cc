#include "shim/ledger/mirror.h"

#include <cstring>
#include <initializer_list>

#include "shim/base/large.h"
#include "shim/process/image.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::kSlotsPerBlock;
using trace::RegionKind;
using trace::SlotBlock;

SlotBlock* BlockAt(uint64_t index) { return recorder.At<SlotBlock>(RegionKind::kSlots, index); }

uint64_t& MirrorWord(PrivateBlock& block, int fd) {
  return block.mirrors[static_cast<uint32_t>(fd) % kPrivateSlots / kSlotsPerBlock];
}

void GiveBack(uint32_t index) {
  Atomic(BlockAt(index)->image).store(0, std::memory_order_release);
  recorder.Release(RegionKind::kSlots, &SlotBlock::next, index);
}

/// A forked child's first change: the texts are its parent's still, where the incarnation is.
void CopyTargetsFromParent(PrivateBlock& block, int first_fd, uint64_t parent_word, SlotBlock* own) {
  const auto index = static_cast<uint32_t>(parent_word);
  if (index == 0) return;
  const SlotBlock* parent = BlockAt(index - 1);
  if (parent->image != parent_word >> 32 || parent->first_fd != first_fd) return;
  const PrivateSlot* slots = &block.slots[static_cast<uint32_t>(first_fd) % kPrivateSlots];
  for (uint32_t i = 0; i < kSlotsPerBlock; ++i) {
    if (parent->slots[i].head.count == Unpack(slots[i].head).count) {
      memcpy(own->slots[i].target, parent->slots[i].target, sizeof own->slots[i].target);
    }
  }
}

/// Makes a trace block for the group of `fd`; `old` is what its mirror word was.
uint64_t MakeBlock(PrivateBlock& block, int fd, uint32_t image, uint64_t old) {
  int64_t index = recorder.TakeReleased(RegionKind::kSlots, &SlotBlock::next);
  if (index < 0) index = recorder.Claim(RegionKind::kSlots);
  uint64_t word = static_cast<uint64_t>(image) << 32;
  SlotBlock* made = nullptr;
  if (index >= 0) {
    made = BlockAt(static_cast<uint64_t>(index));
    memset(static_cast<void*>(made), 0, sizeof *made);
    made->first_fd = fd & ~static_cast<int>(kSlotsPerBlock - 1);
    CopyTargetsFromParent(block, made->first_fd, old, made);
    word |= static_cast<uint32_t>(index) + 1;
  }
  if (!Atomic(MirrorWord(block, fd)).compare_exchange_strong(old, word)) {
    if (made != nullptr) GiveBack(static_cast<uint32_t>(index));
    return old;
  }
  if (made == nullptr) return word;
  auto chain = Atomic(ImageOf(image)->blocks);
  uint32_t newest = chain.load(std::memory_order_relaxed);
  do {
    made->next = newest;
  } while (!chain.compare_exchange_weak(newest, static_cast<uint32_t>(index) + 1));
  Atomic(made->image).store(image, std::memory_order_release);
  return word;
}

/// The trace block of the group of `fd`, nullptr where there is no room.
SlotBlock* FindBlock(PrivateBlock& block, int fd, uint32_t image) {
  uint64_t word = Atomic(MirrorWord(block, fd)).load(std::memory_order_acquire);
  if (__builtin_expect(word >> 32 != image, 0)) word = MakeBlock(block, fd, image, word);
  const auto index = static_cast<uint32_t>(word);
  return index == 0 ? nullptr : BlockAt(index - 1);
}

uint32_t InBlock(int fd) { return static_cast<uint32_t>(fd) % kSlotsPerBlock; }

void Copy(const PrivateSlot& from, SlotBlock* block, int fd) {
  trace::Slot* to = &block->slots[InBlock(fd)];
  const Head head = Unpack(from.head);
  if (from.registered_in != 0) block->registered_life[InBlock(fd)] = from.registered_life;
  to->head.registered_in = from.registered_in;
  memcpy(static_cast<void*>(to->lives), from.lives, sizeof to->lives);
  to->head.flags = head.flags;
  to->head.opens = from.opens;
  to->head.closes = from.closes;
  to->head.state = head.state;
  Atomic(to->head.count).store(head.count, std::memory_order_release);
}

}  // namespace

bool MirrorSlot(PrivateBlock& block, const PrivateSlot& slot, int fd, uint32_t image) {
  SlotBlock* to = FindBlock(block, fd, image);
  if (to == nullptr) return false;
  Copy(slot, to, fd);
  return true;
}

bool MirrorOpened(PrivateBlock& block, const PrivateSlot& slot, int fd, uint32_t image, const char* target) {
  SlotBlock* to = FindBlock(block, fd, image);
  if (to == nullptr) return false;
  auto& text = to->slots[InBlock(fd)].target;
  if (target == nullptr) {
    text[0] = '\0';
  } else {
    const size_t length = strlen(target);
    if (length < sizeof text) {
      memcpy(text, target, length + 1);
    } else {
      memcpy(text, "...", 3);
      memcpy(text + 3, target + length - (sizeof text - 3), sizeof text - 3);
    }
  }
  Copy(slot, to, fd);
  return true;
}

bool IsMirrored(PrivateBlock& block, const PrivateSlot& slot, int fd, uint32_t image) {
  const uint64_t word = Atomic(MirrorWord(block, fd)).load(std::memory_order_acquire);
  if (word >> 32 != image || static_cast<uint32_t>(word) == 0) return true;  // nothing there that could be wrong
  const trace::SlotHead& recorded = BlockAt(static_cast<uint32_t>(word) - 1)->slots[InBlock(fd)].head;
  const Head head = Unpack(slot.head);
  return recorded.count == head.count && recorded.state == head.state;
}

uint64_t* LastUseOf(PrivateBlock& block, int fd, uint32_t image) {
  const uint64_t word = Atomic(MirrorWord(block, fd)).load(std::memory_order_acquire);
  if (word >> 32 != image || static_cast<uint32_t>(word) == 0) return nullptr;
  return &BlockAt(static_cast<uint32_t>(word) - 1)->last_use[InBlock(fd)];
}

void CopyTarget(PrivateBlock& block, int fd, uint32_t image, char (&target)[trace::kTargetSize]) {
  const SlotBlock* from = FindBlock(block, fd, image);
  if (from == nullptr) return;
  memcpy(target, from->slots[InBlock(fd)].target, sizeof target);
  target[sizeof target - 1] = '\0';
}

namespace {

bool WasOpenAt(const trace::Incarnation& life, uint64_t when) {
  return life.opened.stamp != 0 && life.opened.stamp <= when && (life.closed.stamp == 0 || life.closed.stamp >= when);
}

/// Where the blocks of an image with many of them are, by group of numbers: going along its chain for each number takes
/// quadratic time. Filled and used while an image begins, by one thread.
struct Directory {
  uint32_t origin;
  uint32_t blocks[kMaxDescriptors / kSlotsPerBlock];  ///< index + 1; 0 = none
};
constexpr uint32_t kDirectories = 4;  // a number's opener may be a few images back
FDAUDIT_LARGE constinit Directory directories[kDirectories] = {};
constexpr uint32_t kShortChain = 4;

/// visit(group, number of the block) for the blocks of `origin`, newest first, until it returns false. A chain longer
/// than any can be is a chain that is being changed.
template <typename Visitor>
void ForEachBlock(uint32_t origin, Visitor visit) {
  const trace::ImageRecord* record = ImageOf(origin);
  uint32_t next = record->ledger_released != 0 ? 0 : Atomic(record->blocks).load();
  for (uint32_t steps = 0; next != 0 && steps < kMaxDescriptors / kSlotsPerBlock; ++steps) {
    const SlotBlock* block = BlockAt(next - 1);
    if (block->image != origin || !visit(static_cast<uint32_t>(block->first_fd) / kSlotsPerBlock, next)) return;
    next = block->next;
  }
}

const Directory& DirectoryOf(uint32_t origin) {
  Directory& directory = directories[origin % kDirectories];
  if (directory.origin == origin) return directory;
  if (directory.origin != 0) memset(static_cast<void*>(directory.blocks), 0, sizeof directory.blocks);
  directory.origin = origin;
  ForEachBlock(origin, [&directory](uint32_t group, uint32_t number) {
    if (group < kMaxDescriptors / kSlotsPerBlock && directory.blocks[group] == 0) directory.blocks[group] = number;
    return true;
  });
  return directory;
}

/// The image's block with number `fd`, nullptr where it has none.
const SlotBlock* BlockOf(uint32_t origin, int fd) {
  const uint32_t group = static_cast<uint32_t>(fd) / kSlotsPerBlock;
  uint32_t found = 0;
  uint32_t steps = 0;
  ForEachBlock(origin, [&](uint32_t of, uint32_t number) {
    if (of == group) found = number;
    return found == 0 && ++steps < kShortChain;
  });
  if (found == 0 && steps == kShortChain && group < kMaxDescriptors / kSlotsPerBlock) {
    found = DirectoryOf(origin).blocks[group];
  }
  return found == 0 ? nullptr : BlockAt(found - 1);
}

/// A child has closed what it had inherited under a number, and opened something in its place for what it execs.
bool IsPutInPlace(uint32_t origin, const trace::Incarnation& life, const trace::Incarnation& before) {
  const trace::StartedBy how = ImageOf(origin)->started_by;
  const bool is_child = how == trace::StartedBy::kFork || how == trace::StartedBy::kVfork;
  return is_child && life.opened.image == origin && (life.opened.flags & trace::kActInherited) == 0 &&
         before.closed.image == origin && (before.opened.flags & trace::kActInherited) != 0;
}

}  // namespace

bool FindOrigin(uint32_t origin, int fd, uint64_t when, bool has_execed, trace::Incarnation* life) {
  const SlotBlock* block = BlockOf(origin, fd);
  if (block == nullptr) return false;
  const trace::Slot& slot = block->slots[InBlock(fd)];
  if (slot.head.count == 0) return false;
  for (const uint32_t count : {slot.head.count, slot.head.count - 1}) {
    const bool recorded = count != slot.head.count || slot.head.state != trace::SlotState::kNever;
    if (recorded && WasOpenAt(slot.lives[count & 1], when)) {
      *life = slot.lives[count & 1];
      if (has_execed && IsPutInPlace(origin, *life, slot.lives[(count - 1) & 1])) life->opened.flags |= trace::kActKept;
      return true;
    }
  }
  return true;
}

void ReleaseBlocks(uint32_t image) {
  uint32_t next = Atomic(ImageOf(image)->blocks).exchange(0);
  ImageOf(image)->ledger_released = 1;
  // One that is released is no block of the image's any more: a chain that leads in a circle ends.
  while (next != 0 && next <= recorder.Capacity(RegionKind::kSlots) && BlockAt(next - 1)->image == image) {
    const uint32_t index = next - 1;
    next = BlockAt(index)->next;
    GiveBack(index);
  }
}

}  // namespace fdaudit::shim
