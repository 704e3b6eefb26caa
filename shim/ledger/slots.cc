#include "shim/ledger/slots.h"

#include <sys/mman.h>

#include "shim/base/large.h"
#include "shim/base/raw_io.h"
#include "shim/ledger/child_blocks.h"
#include "shim/ledger/close_counts.h"
#include "shim/ledger/probe.h"
#include "shim/ledger/rest.h"

namespace fdaudit::shim {
namespace {

using trace::Act;
using trace::Incarnation;
using trace::SlotState;

/// The private slots, in blocks made when a number of theirs is first seen. The first lies in the shim's own data, so
/// that most programs never need another mapping.
FDAUDIT_LARGE constinit PrivateBlock first_block = {};
FDAUDIT_LARGE constinit PrivateBlock* blocks[kMaxDescriptors / kPrivateSlots] = {};

constinit int32_t process_reach = 0;

int32_t& OwnReach() {
  VforkChild* child = thread_state.vfork_child;
  return __builtin_expect(child == nullptr, 1) ? process_reach : child->reach;
}

/// The forked image whose snapshot is known to be right.
constinit uint32_t checked_image = 0;

}  // namespace

PrivateBlock* BlockFor(uint32_t index, bool make) {
  VforkChild* child = thread_state.vfork_child;
  return __builtin_expect(child == nullptr, 1) ? ProcessBlockFor(index, make) : ChildBlockFor(*child, index, make);
}

PrivateBlock* ProcessBlockFor(uint32_t index, bool make) {
  if (index == 0) return &first_block;
  PrivateBlock* block = Atomic(blocks[index]).load(std::memory_order_acquire);
  if (block != nullptr || !make || !SystemCallsAllowed()) return block;
  void* memory = raw::Map(sizeof(PrivateBlock), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (memory == nullptr) return nullptr;
  if (Atomic(blocks[index]).compare_exchange_strong(block, static_cast<PrivateBlock*>(memory))) {
    return static_cast<PrivateBlock*>(memory);
  }
  raw::Unmap(memory, sizeof(PrivateBlock));
  return block;
}

Place Find(int fd, bool make) {
  const auto number = static_cast<uint32_t>(fd);
  if (number >= kMaxDescriptors) return {};
  PrivateBlock* block = BlockFor(number / kPrivateSlots, make);
  if (block == nullptr) return {};
  if (VforkChild* child = thread_state.vfork_child; __builtin_expect(child != nullptr, 0)) CopyGroup(*child, block, fd);
  return {block, &block->slots[number % kPrivateSlots]};
}

bool MayBeOwn(const PrivateBlock* block, int fd) { return thread_state.vfork_child == nullptr || HasGroup(block, fd); }

bool WasUsed(int fd) {
  const PrivateBlock* block = BlockFor(static_cast<uint32_t>(fd) / kPrivateSlots, false);
  return block != nullptr && (block->used[static_cast<uint32_t>(fd) % kPrivateSlots / 64] >> (fd % 64) & 1) != 0;
}

void NoteUsed(const Place& place, int fd) {
  uint64_t& word = place.block->used[static_cast<uint32_t>(fd) % kPrivateSlots / 64];
  const uint64_t bit = uint64_t{1} << (fd % 64);
  if ((Atomic(word).load(std::memory_order_relaxed) & bit) == 0) Atomic(word).fetch_or(bit);
}

void Dropped(uint32_t image, uint32_t reason) {
  Count(&trace::ImageRecord::events_dropped, image);
  Atomic(ImageOf(image)->reasons).fetch_or(reason, std::memory_order_relaxed);
}

void Mirror(const Place& place, int fd, uint32_t image) {
  if (!MirrorSlot(*place.block, *place.slot, fd, image)) Dropped(image, trace::kReasonNoRoom);
}

void TakeOver(PrivateSlot& slot, uint32_t image, bool open, uint16_t origin) {
  Head head = LoadHead(slot);
  const bool was_open = head.state == SlotState::kOpen;
  head.flags = 0;
  head.state = open ? SlotState::kOpen : SlotState::kNever;
  if (open && !was_open) {
    head.count = NextLife(head.count);
    slot.lives[head.count & 1] = Incarnation{};
    slot.lives[head.count & 1].related = -1;
  }
  const uint16_t marks = was_open ? uint16_t{trace::kActInherited} : origin;
  if (open) {
    Incarnation& life = slot.lives[head.count & 1];
    life.opened.flags |= marks;
    if (life.kind == trace::FdKind::kPipe) life.detail &= trace::kPipeWriteEnd;
  }
  slot.opens = 0;
  slot.closes = 0;
  slot.closing = 0;
  slot.closes_under_way = 0;
  slot.last_close = 0;
  Atomic(slot.head).store(Pack(head), std::memory_order_release);
  Atomic(slot.image).store(image, std::memory_order_release);
}

Place FindOwn(int fd, uint32_t image) {
  const Place place = Find(fd, false);
  if (place.slot == nullptr || Atomic(place.slot->image).load(std::memory_order_acquire) == image) return place;
  NoteUsed(place, fd);
  const bool known_open = LoadHead(*place.slot).state == SlotState::kOpen;
  const bool trusted = (checked_image == image && known_open) || !SystemCallsAllowed();
  const bool open = trusted ? known_open : raw::DescriptorFlags(fd) >= 0;
  // The numbers that are always probed were closed when the image began: somebody has opened this one unseen.
  const bool unseen = open && !known_open && fd < kAlwaysProbed && thread_state.vfork_child == nullptr;
  if (unseen) Count(&trace::ImageRecord::untracked_opens, image);
  const uint16_t origin = unseen ? uint16_t{trace::kActSeenAtEnd} : uint16_t{trace::kActInherited};
  TakeOver(*place.slot, image, open, origin);
  return place;
}

void NotePeak(int fd, uint32_t image, bool lowest) {
  const auto high = static_cast<uint32_t>(fd + 1 - RestingBelow(fd));
  trace::ImageRecord* record = ImageOf(image);
  if (lowest && Atomic(record->peak).load(std::memory_order_relaxed) < high) Atomic(record->peak).store(high);
  auto reach = Atomic(OwnReach());
  if (reach.load(std::memory_order_relaxed) < fd + 1) reach.store(fd + 1, std::memory_order_relaxed);
}

Incarnation MakeLife(const Act& act, const NewDescriptor& what) {
  Incarnation life = {};
  life.opened = act;
  if (what.declared) life.opened.flags |= trace::kActOwned;
  life.owner = reinterpret_cast<uint64_t>(what.owner);
  life.related = what.related;
  life.kind = what.kind;
  life.flags = what.flags;
  life.detail = what.detail;
  return life;
}

bool CloseOpen(const Place& place, int fd, const Act& act, Head head) {
  Head wanted = head;
  wanted.state = SlotState::kClosed;
  wanted.flags &= kStaleUnderWay;  // a stale close may still hit the next incarnation
  if (!SwapHead(*place.slot, head, wanted)) return false;
  Incarnation& life = place.slot->lives[head.count & 1];
  life.closed = act;
  ++place.slot->closes;
  CountClose(life);
  if ((act.flags & trace::kActOverwrote) == 0) NoteClosedNumber(fd);
  Mirror(place, fd, act.image);
  return true;
}

void NoteSnapshotChecked(uint32_t image) { checked_image = image; }

int32_t Reach() { return Atomic(OwnReach()).load(std::memory_order_relaxed); }

}  // namespace fdaudit::shim
