#include "shim/ledger.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "shim/clock.h"
#include "shim/descriptor_probe.h"
#include "shim/process.h"
#include "shim/raw_io.h"
#include "shim/recorder.h"
#include "shim/slot_mirror.h"

namespace fdaudit::shim {
namespace {

using trace::Act;
using trace::Incarnation;
using trace::SlotState;

/// The private slots, in blocks made when a number of theirs is first seen. The first lies in the shim's own data, so
/// that most programs never need another mapping.
constinit PrivateBlock first_block = {};
constinit PrivateBlock* blocks[kMaxDescriptors / kPrivateSlots] = {};

/// One above the highest number ever open here.
constinit int32_t reach = 0;

PrivateBlock* BlockFor(uint32_t index, bool make) {
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

struct Place {
  PrivateBlock* block = nullptr;
  PrivateSlot* slot = nullptr;
};

Place Find(int fd, bool make) {
  const auto number = static_cast<uint32_t>(fd);
  if (number >= kMaxDescriptors) return {};
  PrivateBlock* block = BlockFor(number / kPrivateSlots, make);
  if (block == nullptr) return {};
  return {block, &block->slots[number % kPrivateSlots]};
}

bool WasUsed(int fd) {
  const PrivateBlock* block = BlockFor(static_cast<uint32_t>(fd) / kPrivateSlots, false);
  return block != nullptr && (block->used[static_cast<uint32_t>(fd) % kPrivateSlots / 64] >> (fd % 64) & 1) != 0;
}

void NoteUsed(const Place& place, int fd) {
  uint64_t& word = place.block->used[static_cast<uint32_t>(fd) % kPrivateSlots / 64];
  const uint64_t bit = uint64_t{1} << (fd % 64);
  if ((Atomic(word).load(std::memory_order_relaxed) & bit) == 0) Atomic(word).fetch_or(bit);
}

Head LoadHead(PrivateSlot& slot) { return Unpack(Atomic(slot.head).load(std::memory_order_acquire)); }

bool SwapHead(PrivateSlot& slot, Head expected, Head wanted) {
  uint64_t old = Pack(expected);
  return Atomic(slot.head).compare_exchange_strong(old, Pack(wanted));
}

void Count(uint32_t trace::ImageRecord::*counter, uint32_t image, uint32_t amount = 1) {
  Atomic(ImageOf(image)->*counter).fetch_add(amount, std::memory_order_relaxed);
}

void Dropped(uint32_t image, uint32_t reason) {
  Count(&trace::ImageRecord::events_dropped, image);
  Atomic(ImageOf(image)->reasons).fetch_or(reason, std::memory_order_relaxed);
}

void Mirror(const Place& place, int fd, uint32_t image) {
  if (!MirrorSlot(*place.block, *place.slot, fd, image)) Dropped(image, trace::kReasonNoRoom);
}

/// A slot last touched in another image (before fork) becomes this one's. `open`: what the kernel says of it now.
void TakeOver(PrivateSlot& slot, uint32_t image, bool open) {
  Head head = LoadHead(slot);
  const bool was_open = head.state == SlotState::kOpen;
  head.flags = 0;
  head.state = open ? SlotState::kOpen : SlotState::kNever;
  if (open && !was_open) {
    ++head.count;
    slot.lives[head.count & 1] = Incarnation{};
    slot.lives[head.count & 1].related = -1;
  }
  if (open) slot.lives[head.count & 1].opened.flags |= trace::kActInherited;
  slot.opens = 0;
  slot.closes = 0;
  slot.closing = 0;
  slot.closes_under_way = 0;
  slot.last_close = 0;
  Atomic(slot.head).store(Pack(head), std::memory_order_release);
  Atomic(slot.image).store(image, std::memory_order_release);
}

/// The slot of `fd`, as this image's own.
Place FindOwn(int fd, uint32_t image) {
  const Place place = Find(fd, false);
  if (place.slot == nullptr || Atomic(place.slot->image).load(std::memory_order_acquire) == image) return place;
  NoteUsed(place, fd);
  const bool known_open = LoadHead(*place.slot).state == SlotState::kOpen;
  TakeOver(*place.slot, image, SystemCallsAllowed() ? raw::DescriptorFlags(fd) >= 0 : known_open);
  return place;
}

/// A number that was handed out as the lowest free one proves that all below it are open.
void NotePeak(int fd, uint32_t image, bool lowest) {
  const auto high = static_cast<uint32_t>(fd) + 1;
  trace::ImageRecord* record = ImageOf(image);
  if (lowest && Atomic(record->peak).load(std::memory_order_relaxed) < high) Atomic(record->peak).store(high);
  if (Atomic(reach).load(std::memory_order_relaxed) < fd + 1) Atomic(reach).store(fd + 1, std::memory_order_relaxed);
}

Incarnation MakeLife(const Act& act, const NewDescriptor& what) {
  Incarnation life = {};
  life.opened = act;
  life.owner = reinterpret_cast<uint64_t>(what.owner);
  life.related = what.related;
  life.kind = what.kind;
  life.flags = what.flags;
  life.detail = what.detail;
  return life;
}

/// True while, or where, closes of one number by several threads overlapped with the life of its current incarnation.
/// Which of them hit what can't always be told then, and nobody unseen is suspected.
bool ManyClosed(PrivateSlot& slot, uint32_t own_closes) {
  return Atomic(slot.closes_under_way).load() > own_closes || slot.last_close > slot.began;
}

/// What a stale close, marked in the slot, means for the incarnation that is being recorded now. `head` is the new one.
Head AfterStaleMark(PrivateSlot& slot, Head head, uint64_t began, Incarnation* life, uint32_t image) {
  if ((head.flags & kStaleUnderWay) != 0) {
    life->flags |= trace::kContested;  // the closer will see that we came, and settle it
  } else if ((head.flags & kStaleDone) != 0) {
    if (slot.stale_ended > began) {
      life->closed = slot.stale;
      life->flags |= trace::kStaleHit;
      head.state = SlotState::kClosed;
    } else {
      if (!ManyClosed(slot, 0)) Count(&trace::ImageRecord::untracked_opens, image);  // what nobody has recorded
    }
  }
  head.flags &= kStaleUnderWay;
  return head;
}

void Snapshot(const PrivateSlot& slot, uint32_t count, CloseOutcome* out) {
  out->lives[0] = slot.lives[count & 1];
  if (count > 1) out->lives[1] = slot.lives[(count - 1) & 1];
}

/// The number was handed out again while the incarnation before is open in the ledger: it was closed unseen, or by a
/// stale close that has not returned to settle it.
void EndUnclosed(PrivateSlot& slot, Head* head, uint32_t image, CloseOutcome* hit) {
  Incarnation& before = slot.lives[head->count & 1];
  if ((head->flags & kStaleUnderWay) == 0 || (before.flags & trace::kContested) == 0) {
    if (!ManyClosed(slot, 0)) Count(&trace::ImageRecord::untracked_closes, image);
    return;
  }
  before.closed = slot.stale;
  before.flags |= trace::kStaleHit;
  ++slot.closes;
  hit->verdict = CloseOutcome::Verdict::kHitOther;
  Snapshot(slot, head->count, hit);
}

bool Same(const Act& a, const Act& b) { return a.stamp == b.stamp && a.thread == b.thread; }

bool OwnsStaleMark(const PrivateSlot& slot, Head head, const Act& act) {
  return (head.flags & kStaleUnderWay) != 0 && Same(slot.stale, act);
}

/// A stale close that succeeded. Who records last settles it: here, if an opener came while it was under way.
CloseOutcome SettleStaleClose(const Place& place, int fd, const CloseTicket& ticket, const Act& act) {
  PrivateSlot& slot = *place.slot;
  CloseOutcome outcome;
  const uint64_t ended = Stamp();
  if (!ticket.marked && ticket.found != CloseTicket::Found::kOpen) return outcome;
  for (;;) {
    const Head head = LoadHead(slot);
    if (!OwnsStaleMark(slot, head, act)) return outcome;  // settled by another
    slot.stale_ended = ended;
    const bool opened_since = head.count != ticket.count;
    Incarnation& life = slot.lives[head.count & 1];
    if (!opened_since && slot.closing == head.count && head.count != 0) {
      // Another thread had recorded its close of this incarnation and not made it yet: ours came first, and its is the
      // stale one now. It finds the mark its own when it returns.
      slot.stale = life.closed;
      slot.closing = 0;
      life.closed = act;
      Mirror(place, fd, act.image);
      return outcome;
    }
    // Either it closed what is open now, or what has not been recorded yet: that opener will see it done.
    const bool hits = opened_since && head.state == SlotState::kOpen;
    Head wanted = head;
    wanted.flags = hits ? 0 : kStaleDone;
    if (hits) wanted.state = SlotState::kClosed;
    if (!SwapHead(slot, head, wanted)) continue;
    if (!hits) return outcome;
    life.closed = act;
    life.flags |= trace::kStaleHit;
    ++slot.closes;
    outcome.verdict = CloseOutcome::Verdict::kHitOther;
    Snapshot(slot, head.count, &outcome);
    Mirror(place, fd, act.image);
    return outcome;
  }
}

/// The stale close that `act` marked has failed.
void ClearStaleMark(PrivateSlot& slot, const Act& act) {
  for (;;) {
    const Head head = LoadHead(slot);
    if (!OwnsStaleMark(slot, head, act)) return;
    Head wanted = head;
    wanted.flags &= static_cast<uint8_t>(~kStaleUnderWay);
    if (SwapHead(slot, head, wanted)) return;
  }
}

/// Recorded as closed, and the kernel says that it was not open. Another thread's close came first: one that has been
/// settled since, or is marked in the slot still. Else it was closed behind our back before.
CloseOutcome ClosedBefore(const Place& place, int fd, const CloseTicket& ticket, const Act& act) {
  PrivateSlot& slot = *place.slot;
  CloseOutcome outcome;
  ClearStaleMark(slot, act);
  Incarnation& life = slot.lives[ticket.count & 1];
  for (;;) {
    const Head head = LoadHead(slot);
    if (head.count - ticket.count > 1) return outcome;
    const bool settled = !Same(life.closed, act);
    const bool unseen = !settled && head.flags == 0;
    Head wanted = head;
    if (!settled) wanted.flags = 0;  // a marked close has found its victim
    if (unseen && head.count == ticket.count && head.state == SlotState::kClosed) wanted.state = SlotState::kGone;
    if (!SwapHead(slot, head, wanted)) continue;
    if (unseen) {
      if (!ManyClosed(slot, 1)) Count(&trace::ImageRecord::untracked_closes, act.image);
      life.closed = Act{};
      --slot.closes;
    } else {
      if (!settled) {
        life.closed = slot.stale;
        life.flags |= trace::kStaleHit;
      }
      outcome.verdict = CloseOutcome::Verdict::kFailedStale;
      Snapshot(slot, ticket.count, &outcome);
    }
    Mirror(place, fd, act.image);
    return outcome;
  }
}

/// Calls visit(fd, place) for each number of the ledger in [first, last] that was ever filled. What was not is not even
/// looked at: the memory behind it may never have been touched.
template <typename Visitor>
void ForEachSlot(uint32_t first, uint32_t last, Visitor visit) {
  const auto end = static_cast<uint64_t>(Atomic(reach).load(std::memory_order_relaxed));
  for (uint64_t fd = first; fd <= last && fd < end;) {
    PrivateBlock* block = BlockFor(static_cast<uint32_t>(fd / kPrivateSlots), false);
    const uint64_t bits = block == nullptr ? 0 : block->used[fd % kPrivateSlots / 64] >> (fd % 64);
    if (bits == 0) {
      fd = (fd | 63) + 1;
      continue;
    }
    fd += static_cast<uint64_t>(__builtin_ctzll(bits));
    if (fd <= last && fd < end) visit(static_cast<int>(fd), Place{block, &block->slots[fd % kPrivateSlots]});
    ++fd;
  }
}

bool CloseOpen(const Place& place, int fd, const Act& act, Head head) {
  Head wanted = head;
  wanted.state = SlotState::kClosed;
  wanted.flags &= kStaleUnderWay;  // a stale close may still hit the next incarnation
  if (!SwapHead(*place.slot, head, wanted)) return false;
  place.slot->lives[head.count & 1].closed = act;
  ++place.slot->closes;
  Mirror(place, fd, act.image);
  return true;
}

}  // namespace

uint32_t LedgerOpen(int fd, const Act& act, const NewDescriptor& what, uint64_t began, CloseOutcome* hit) {
  const Place place = Find(fd, true);
  if (place.slot == nullptr) {
    Dropped(act.image,
            static_cast<uint32_t>(fd) >= kMaxDescriptors ? trace::kReasonDescriptorTooHigh : trace::kReasonNoRoom);
    return 0;
  }
  PrivateSlot& slot = *place.slot;
  if (Atomic(slot.image).load(std::memory_order_acquire) != act.image) TakeOver(slot, act.image, false);
  NotePeak(fd, act.image, what.lowest);
  NoteUsed(place, fd);
  for (;;) {
    const Head head = LoadHead(slot);
    Head wanted = head;
    if (head.state == SlotState::kOpen) {
      EndUnclosed(slot, &wanted, act.image, hit);
      wanted.flags = 0;
    }
    ++wanted.count;
    wanted.state = SlotState::kOpen;
    Incarnation& life = slot.lives[wanted.count & 1];
    life = MakeLife(act, what);
    if (wanted.flags != 0) wanted = AfterStaleMark(slot, wanted, began, &life, act.image);
    if (!SwapHead(slot, head, wanted)) continue;
    slot.began = began;
    ++slot.opens;
    if (wanted.state == SlotState::kClosed) {
      ++slot.closes;
      hit->verdict = CloseOutcome::Verdict::kHitOther;
      Snapshot(slot, wanted.count, hit);
    }
    if (!MirrorOpened(*place.block, slot, fd, act.image, what.target)) Dropped(act.image, trace::kReasonNoRoom);
    return wanted.count;
  }
}

CloseTicket LedgerCloseBegin(int fd, const Act& act) {
  CloseTicket ticket;
  const Place place = FindOwn(fd, act.image);
  if (place.slot == nullptr) {
    ticket.found = CloseTicket::Found::kNever;
    return ticket;
  }
  ticket.counted = true;
  Atomic(place.slot->closes_under_way).fetch_add(1);
  for (;;) {
    const Head head = LoadHead(*place.slot);
    ticket.count = head.count;
    if (head.state == SlotState::kOpen) {
      place.slot->closing = head.count;
      if (!CloseOpen(place, fd, act, head)) continue;
      ticket.found = CloseTicket::Found::kOpen;
      return ticket;
    }
    ticket.found = head.state == SlotState::kClosed ? CloseTicket::Found::kClosed : CloseTicket::Found::kNever;
    if (head.flags != 0) return ticket;  // another stale close is at it, or waits for its victim's record
    place.slot->stale = act;
    Head wanted = head;
    wanted.flags = kStaleUnderWay;
    ticket.marked = SwapHead(*place.slot, head, wanted);
    if (ticket.marked) return ticket;
  }
}

namespace {

CloseOutcome SettleClose(const Place& place, int fd, const CloseTicket& ticket, const Act& act, int error) {
  PrivateSlot& slot = *place.slot;
  CloseOutcome outcome;
  if (ticket.found == CloseTicket::Found::kOpen) {
    if (slot.closing == ticket.count) slot.closing = 0;
    if (error == EBADF) return ClosedBefore(place, fd, ticket, act);
    const bool overtaken = !Same(slot.lives[ticket.count & 1].closed, act);
    return overtaken ? SettleStaleClose(place, fd, ticket, act) : outcome;
  }
  if (error != EBADF) return SettleStaleClose(place, fd, ticket, act);
  ClearStaleMark(slot, act);
  outcome.verdict = CloseOutcome::Verdict::kFailedNever;
  if (ticket.found == CloseTicket::Found::kClosed) {
    outcome.verdict = CloseOutcome::Verdict::kFailedStale;
    Snapshot(slot, ticket.count, &outcome);
  }
  return outcome;
}

}  // namespace

CloseOutcome LedgerCloseEnd(int fd, const CloseTicket& ticket, const Act& act, int error) {
  const Place place = Find(fd, false);
  if (!ticket.counted) {  // beyond the ledger's reach when it began
    CloseOutcome outcome;
    if (error == EBADF) outcome.verdict = CloseOutcome::Verdict::kFailedNever;
    if (error != EBADF) Count(&trace::ImageRecord::untracked_opens, act.image);
    return outcome;
  }
  const CloseOutcome outcome = SettleClose(place, fd, ticket, act, error);
  if ((act.flags & trace::kActSingleThreaded) == 0) place.slot->last_close = Stamp();
  Atomic(place.slot->closes_under_way).fetch_sub(1);
  return outcome;
}

void LedgerCloseUndo(int fd, uint32_t count) {
  const uint32_t image = CurrentImage();
  const Place place = Find(fd, false);
  if (place.slot == nullptr) return;
  const Head head = LoadHead(*place.slot);
  if (head.count != count || head.state != SlotState::kClosed) return;
  Head wanted = head;
  wanted.state = SlotState::kOpen;
  if (!SwapHead(*place.slot, head, wanted)) return;
  place.slot->lives[count & 1].closed = Act{};
  place.slot->closing = 0;
  --place.slot->closes;
  Mirror(place, fd, image);
}

uint32_t LedgerCloseRange(uint32_t first, uint32_t last, const Act& act) {
  uint32_t closed = 0;
  ForEachSlot(first, last, [&](int fd, const Place& place) {
    // What was inherited and never touched is open or not: the range closes it in any case.
    if (place.slot->image != act.image)
      TakeOver(*place.slot, act.image, LoadHead(*place.slot).state == SlotState::kOpen);
    const Head head = LoadHead(*place.slot);
    if (head.state == SlotState::kOpen && CloseOpen(place, fd, act, head)) ++closed;
  });
  return closed;
}

void LedgerUndoRange(uint32_t first, uint32_t last, const Act& act) {
  ForEachSlot(first, last, [&](int fd, const Place& place) {
    const Head head = LoadHead(*place.slot);
    if (head.state == SlotState::kClosed && place.slot->lives[head.count & 1].closed.stamp == act.stamp) {
      LedgerCloseUndo(fd, head.count);
    }
  });
}

void LedgerOverwritten(int fd, const Act& act) {
  const Place place = Find(fd, false);
  if (place.slot == nullptr) return;
  if (place.slot->image != act.image) {
    TakeOver(*place.slot, act.image, LoadHead(*place.slot).state == SlotState::kOpen);
  }
  const Head head = LoadHead(*place.slot);
  if (head.state == SlotState::kOpen) CloseOpen(place, fd, act, head);
}

bool LedgerDescribe(int fd, NewDescriptor* out, char (&target)[trace::kTargetSize]) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return false;
  const Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  out->kind = life.kind;
  out->detail = life.detail;
  out->flags = life.flags & trace::kListsDescriptors;
  LedgerTarget(fd, target);
  out->target = target;
  return true;
}

void LedgerTarget(int fd, char (&target)[trace::kTargetSize]) {
  target[0] = '\0';
  const Place place = Find(fd, false);
  if (place.slot != nullptr && LoadHead(*place.slot).count != 0) CopyTarget(*place.block, fd, CurrentImage(), target);
}

void LedgerAdopt(int fd, uint8_t owner_flag, const void* owner) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return;
  Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  life.owner = reinterpret_cast<uint64_t>(owner);
  life.flags |= owner_flag;
  Mirror(place, fd, image);
}

void LedgerSetCloseOnExec(int fd, bool on) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return;
  Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  life.flags = static_cast<uint8_t>(on ? life.flags | trace::kCloseOnExec : life.flags & ~trace::kCloseOnExec);
  Mirror(place, fd, image);
}

void LedgerSetCloseOnExecRange(uint32_t first, uint32_t last) {
  ForEachSlot(first, last, [](int fd, const Place& place) {
    if (LoadHead(*place.slot).state == SlotState::kOpen) LedgerSetCloseOnExec(fd, true);
  });
}

const Incarnation* LedgerOpenLife(int fd) {
  const Place place = FindOwn(fd, CurrentImage());
  if (place.slot == nullptr) return nullptr;
  const Head head = LoadHead(*place.slot);
  return head.state == SlotState::kOpen ? &place.slot->lives[head.count & 1] : nullptr;
}

// ---------------------------------------------------------------------------------------------------------------------
// An image's begin and end

namespace {

/// Numbers up to which a forked child's snapshot is compared with the kernel's table at once. Above it each is checked
/// when it is first touched.
constexpr int kCheckedAtFork = 1024;

/// What fork has caught in the middle of another thread's call, or what the parent never recorded.
void CheckSnapshot(int fd, bool open, uint32_t image) {
  if (!open && !WasUsed(fd)) return;
  const Place place = Find(fd, true);
  if (place.slot == nullptr) return;
  NoteUsed(place, fd);
  if ((LoadHead(*place.slot).state == SlotState::kOpen) != open) TakeOver(*place.slot, image, open);
}

}  // namespace

void LedgerBeginForked() {
  const uint32_t image = CurrentImage();
  const int end = Atomic(reach).load();
  if (end <= kCheckedAtFork) CompareWithKernel(end, [=](int fd, bool open) { CheckSnapshot(fd, open, image); });
  uint32_t open = 0;
  ForEachSlot(0, UINT32_MAX, [&open](int, const Place& place) {
    if (LoadHead(*place.slot).state == SlotState::kOpen) ++open;
  });
  trace::ImageRecord* record = ImageOf(image);
  record->inherited = open;
  record->peak = open;
}

void LedgerBeginExeced(const uint32_t* origins, uint32_t origin_count) {
  const uint32_t image = CurrentImage();
  uint32_t open = 0;
  ForEachOpenDescriptor([&](int fd) {
    ++open;
    const Place place = Find(fd, true);
    if (place.slot == nullptr) return;
    Incarnation life = {};
    life.related = -1;
    for (uint32_t i = 0; i < origin_count && life.opened.stamp == 0; ++i) FindOrigin(origins[i], fd, &life);
    life.opened.flags |= trace::kActInherited;
    life.closed = Act{};
    place.slot->lives[1] = life;
    Atomic(place.slot->head).store(Pack({1, SlotState::kOpen, 0}));
    place.slot->image = image;
    NoteUsed(place, fd);
    NotePeak(fd, image, false);
  });
  ImageOf(image)->inherited = open;
  ImageOf(image)->peak = open;
}

namespace {

/// Compares one number with what the kernel says of it. Returns true where it tells something: a leak or a difference.
bool SettleAtEnd(int fd, bool open, uint32_t image) {
  if (!open && !WasUsed(fd)) return false;
  const Place place = Find(fd, true);
  if (place.slot == nullptr) return open;
  NoteUsed(place, fd);
  PrivateSlot& slot = *place.slot;
  Head head = LoadHead(slot);
  if (slot.image != image) {
    if (head.state == SlotState::kOpen || !open) return false;  // inherited and never touched
    TakeOver(slot, image, false);
    head = LoadHead(slot);
  }
  if ((head.flags & kStaleDone) != 0) Count(&trace::ImageRecord::untracked_opens, image);
  if (open && head.state == SlotState::kClosed && slot.closing == head.count) {
    LedgerCloseUndo(fd, head.count);  // a cancelled close
  } else if (open && head.state != SlotState::kOpen) {
    ++head.count;
    slot.lives[head.count & 1] = MakeLife({Stamp(), image, 0, 0, 0, trace::kActSeenAtEnd}, {});
    Atomic(slot.head).store(Pack({head.count, SlotState::kUnseen, 0}));
    Count(&trace::ImageRecord::untracked_opens, image);
  } else if (!open && head.state == SlotState::kOpen) {
    Atomic(slot.head).store(Pack({head.count, SlotState::kGone, 0}));
    Count(&trace::ImageRecord::untracked_closes, image);
    Mirror(place, fd, image);
    return true;
  }
  Incarnation& life = slot.lives[head.count & 1];
  const bool inherited = (life.opened.flags & trace::kActInherited) != 0;
  if (!open || inherited || (fd <= 2 && head.state == SlotState::kOpen)) return false;
  char target[trace::kTargetSize];
  DescribeOpenDescriptor(fd, life, target);
  if (!MirrorOpened(*place.block, slot, fd, image, target)) Dropped(image, trace::kReasonNoRoom);
  return true;
}

}  // namespace

uint32_t LeaksSoFar() {
  const uint32_t image = CurrentImage();
  uint32_t leaks = 0;
  ForEachSlot(3, UINT32_MAX, [&](int, const Place& place) {
    const Head head = LoadHead(*place.slot);
    const bool own = place.slot->image == image && head.state == SlotState::kOpen;
    if (own && (place.slot->lives[head.count & 1].opened.flags & trace::kActInherited) == 0) ++leaks;
  });
  return leaks;
}

void LedgerEnd(bool exits) {
  const uint32_t image = CurrentImage();
  trace::ImageRecord* record = ImageOf(image);
  bool tells = !exits;
  if (exits && SystemCallsAllowed()) {
    uint32_t open = 0;
    CompareWithKernel(Atomic(reach).load(), [&](int fd, bool is_open) {
      open += is_open ? 1 : 0;
      tells = SettleAtEnd(fd, is_open, image) || tells;
    });
    record->open_at_end = open;
    record->checked_at_end = 1;
  } else {
    record->reasons |= trace::kReasonExitUnchecked;
  }
  uint64_t opened = 0;
  uint64_t closed = 0;
  ForEachSlot(0, UINT32_MAX, [&](int, const Place& place) {
    if (place.slot->image != image) return;
    opened += place.slot->opens;
    closed += place.slot->closes;
  });
  record->opened = opened;
  record->closed = closed;
  // Other threads may still be recording; only a process that never had any gives its blocks back.
  if (!tells && NeverThreaded()) ReleaseBlocks(record);
}

}  // namespace fdaudit::shim
