// Taking stock: what an image got from outside when it began, and what the kernel says when it ends (lifetime.h).

#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/text.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/ledger.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/opener.h"
#include "shim/ledger/pipe_watch.h"
#include "shim/ledger/probe.h"
#include "shim/ledger/slots.h"
#include "shim/process/spawn.h"

namespace fdaudit::shim {

using trace::Act;
using trace::Incarnation;
using trace::SlotState;

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
  if (open) NotePeak(fd, image, false);
  if ((LoadHead(*place.slot).state == SlotState::kOpen) != open) TakeOver(*place.slot, image, open);
}

bool HasUnseenClose(uint32_t image) {
  bool found = false;
  ForEachSlot(0, UINT32_MAX, [&found, image](int fd, const Place& place) {
    const Head head = LoadHead(*place.slot);
    if (found || place.slot->image != image || head.state != SlotState::kOpen) return;
    const bool is_own = (place.slot->lives[head.count & 1].opened.flags & trace::kActInherited) == 0;
    found = is_own && !raw::IsOpen(fd);
  });
  return found;
}

/// The kernel counts as many as the ledger knows, and what the image has opened itself is open: then the ledger knows
/// what is. That takes one call, where asking for each number takes one for each.
bool AgreesWithKernel(uint32_t image) {
  return CountOpenDescriptors() == static_cast<int>(LedgerCountOpen()) && !HasUnseenClose(image);
}

}  // namespace

void LedgerBeginForked() {
  const uint32_t image = CurrentImage();
  has_relatives = options.uses;
  const int end = Reach();
  if (end <= kCheckedAtFork && SystemCallsAllowed()) {
    if (!AgreesWithKernel(image)) {
      CompareWithKernel(end, WasUsed, [=](int fd, bool is_open) { CheckSnapshot(fd, is_open, image); });
    }
    NoteSnapshotChecked(image);
  }
  trace::ImageRecord* record = ImageOf(image);
  record->inherited = LedgerCountOpen();
  record->peak = record->inherited;
}

uint32_t LedgerCountOpen() {
  uint32_t open = 0;
  ForEachSlot(0, UINT32_MAX, [&open](int, const Place& place) {
    if (LoadHead(*place.slot).state == SlotState::kOpen) ++open;
  });
  return open;
}

namespace {

/// Opened by a program before this one, and neither duplicated nor kept open nor placed for it on purpose.
bool CrossedUnasked(const trace::ImageRecord* record, int fd, const Incarnation& life) {
  if (fd <= 2 || life.opened.stamp == 0 || life.opened.stack == trace::kNoIndex) return false;
  return (life.opened.flags & (trace::kActKept | trace::kActDuplicated)) == 0 && !IsPlaced(record, fd);
}

}  // namespace

void LedgerBeginExeced() {
  const uint32_t image = CurrentImage();
  uint32_t open = 0;
  ForEachOpenDescriptor([&](int fd) {
    ++open;
    const Place place = Find(fd, true);
    if (place.slot == nullptr) return;
    Incarnation life = {};
    life.related = -1;
    FindOpener(ImageOf(image), fd, &life);
    if (life.kind == trace::FdKind::kPipe) life.detail &= trace::kPipeWriteEnd;
    life.opened.flags |= trace::kActInherited;
    life.opened.flags &= static_cast<uint16_t>(~(trace::kActOwned | trace::kActLeftOpen));  // as that program knew it
    life.flags &= static_cast<uint8_t>(~(trace::kOwnedByFile | trace::kOwnedByDir));
    life.owner = kNobody;
    if ((life.flags & trace::kCloseOnExec) != 0) {
      // It has crossed all the same: that was taken off for this exec, and may be on again by now (make's job server).
      life.flags &= static_cast<uint8_t>(~trace::kCloseOnExec);
      life.opened.flags |= trace::kActKept;
    }
    life.closed = Act{};
    place.slot->lives[1] = life;
    Atomic(place.slot->head).store(Pack({1, SlotState::kOpen, 0}));
    place.slot->image = image;
    NoteUsed(place, fd);
    NotePeak(fd, image, false);
    if (life.kind == trace::FdKind::kPipe) {
      WatchPipe(fd);
      Mirror(place, fd, image);  // who waits for whom may be asked of what this program never touches
    }
    if (CrossedUnasked(ImageOf(image), fd, life)) {
      NoteCrossedExec(fd, {Stamp(), image, 0, life.opened.stack, life.opened.call, 0}, life);
    }
  });
  ImageOf(image)->inherited = open;
  ImageOf(image)->peak = open;
  has_relatives = options.uses && (ImageOf(image)->parent != 0 || ImageOf(image)->predecessor != 0);
}

namespace {

/// The number is open, and the ledger knows of no call that opened it.
void NoteUnseenOpen(PrivateSlot& slot, uint32_t image) {
  const uint32_t count = NextLife(LoadHead(slot).count);
  slot.lives[count & 1] = MakeLife({Stamp(), image, 0, 0, 0, trace::kActSeenAtEnd}, {});
  slot.registered_in = 0;
  Atomic(slot.head).store(Pack({count, SlotState::kUnseen, 0}));
  Count(&trace::ImageRecord::untracked_opens, image);
}

/// The other end of the pair that `life` is an end of: the number is known from the call that opened both, and is that
/// end as long as it has not been closed.
Partner PartnerOf(const Incarnation& life) {
  const bool is_end = life.kind == trace::FdKind::kPipe || (life.detail & trace::kSocketPaired) != 0;
  const bool is_first_hand = (life.opened.flags & trace::kActDuplicated) == 0 && (life.flags & trace::kReceived) == 0;
  if (!is_end || !is_first_hand || life.related < 0) return {};
  const Place other = Find(life.related, false);
  if (other.slot == nullptr) return {};
  const Head head = LoadHead(*other.slot);
  const Act& opened = other.slot->lives[head.count & 1].opened;
  return {life.related, head.state == SlotState::kOpen && opened.stamp == life.opened.stamp};
}

/// Completes what is recorded about a descriptor that stays open at the end.
void DescribeAtEnd(const Place& place, int fd, uint32_t image) {
  PrivateSlot& slot = *place.slot;
  char recorded[trace::kTargetSize];
  char target[trace::kTargetSize];
  LedgerTarget(fd, recorded);
  memcpy(target, recorded, sizeof target);
  Incarnation now = slot.lives[LoadHead(slot).count & 1];
  DescribeOpenDescriptor(fd, now, PartnerOf(now), target);
  if (LoadHead(slot).state == SlotState::kOpen &&
      IsAnother(fd, slot.lives[LoadHead(slot).count & 1], recorded, target)) {
    Count(&trace::ImageRecord::untracked_closes, image);
    NoteUnseenOpen(slot, image);
  }
  slot.lives[LoadHead(slot).count & 1].kind = now.kind;
  if (!MirrorOpened(*place.block, slot, fd, image, target)) Dropped(image, trace::kReasonNoRoom);
}

/// Compares one number with what the kernel says of it. Returns true where there is something to report: a leak or a
/// difference.
bool SettleAtEnd(int fd, bool open, uint32_t image) {
  if (!open && !WasUsed(fd)) return false;
  const Place place = Find(fd, true);
  if (place.slot == nullptr) return open;
  NoteUsed(place, fd);
  PrivateSlot& slot = *place.slot;
  if (slot.image != image) {
    if (LoadHead(slot).state == SlotState::kOpen || !open) return false;  // inherited and never touched
    TakeOver(slot, image, false);
  }
  const Head head = LoadHead(slot);
  if ((head.flags & kStaleDone) != 0) Count(&trace::ImageRecord::untracked_opens, image);
  if (!open && head.state == SlotState::kOpen) {
    Atomic(slot.head).store(Pack({head.count, SlotState::kGone, 0}));
    Count(&trace::ImageRecord::untracked_closes, image);
    Mirror(place, fd, image);
    return true;
  }
  if (open && head.state == SlotState::kClosed && slot.closing == head.count) {
    LedgerCloseUndo(fd, head.count);  // a cancelled close
  } else if (open && head.state != SlotState::kOpen) {
    NoteUnseenOpen(slot, image);
  } else if (!IsMirrored(*place.block, slot, fd, image)) {
    Mirror(place, fd, image);
  }
  const bool inherited = (slot.lives[LoadHead(slot).count & 1].opened.flags & trace::kActInherited) != 0;
  if (!open || inherited || (fd <= 2 && head.state == SlotState::kOpen)) return false;
  DescribeAtEnd(place, fd, image);
  return true;
}

/// What the end of the program closed it had held until then, and only names can tell which closes those are: the
/// analyzer looks. They come last, so where the image opened something later than it closed anything there are none. In
/// a trace of many processes only so many count as make a finding that is more than a note, and in one of very many
/// none: the room is for those that have something to report.
bool MayHaveHeldUntilExit(uint32_t image) {
  constexpr uint32_t kGrowing = 8;
  const uint64_t used = Atomic(recorder.region(trace::RegionKind::kSlots).used).load(std::memory_order_relaxed);
  const uint64_t capacity = recorder.Capacity(trace::RegionKind::kSlots);
  if (used > capacity / 8) return false;
  uint64_t last_opened = 0;
  ForEachOwnSlot(3, image, [&](int, const Place& place) {
    for (const Incarnation& life : place.slot->lives) {
      if (life.opened.stamp > last_opened) last_opened = life.opened.stamp;
    }
  });
  uint32_t closed_since = 0;
  ForEachOwnSlot(3, image, [&](int, const Place& place) {
    const Head head = LoadHead(*place.slot);
    if (head.state != SlotState::kClosed) return;
    const Incarnation& life = place.slot->lives[head.count & 1];
    if (life.opened.image == image && life.closed.image == image && life.closed.stamp > last_opened) ++closed_since;
  });
  return closed_since >= (used > capacity / 64 ? kGrowing : 1);
}

}  // namespace

uint32_t LeaksSoFar() { return LedgerCountOpenedSince(0); }

void LedgerSumUp() {
  const uint32_t image = CurrentImage();
  trace::ImageRecord* record = ImageOf(image);
  uint64_t opened = 0;
  uint64_t closed = 0;
  ForEachOwnSlot(0, image, [&](int, const Place& place) {
    opened += place.slot->opens;
    closed += place.slot->closes;
  });
  record->opened = opened;
  record->closed = closed;
}

void LedgerCopied() {
  const uint32_t image = CurrentImage();
  ForEachSlot(0, UINT32_MAX, [image](int fd, const Place& place) {
    const Head head = LoadHead(*place.slot);
    if (head.state != SlotState::kOpen) return;
    place.slot->lives[head.count & 1].opened.flags |= trace::kActInherited;
    if (place.slot->image == image) Mirror(place, fd, image);
  });
}

void LedgerEnd(bool comparable) {
  const uint32_t image = CurrentImage();
  trace::ImageRecord* record = ImageOf(image);
  bool reports = false;
  if (comparable && SystemCallsAllowed()) {
    uint32_t open = 0;
    const auto settle = [&](int fd, bool is_open) {
      open += is_open ? 1 : 0;
      reports = SettleAtEnd(fd, is_open, image) || reports;
    };
    if (InVforkChild()) {
      // What it has not touched its parent's threads may have changed since.
      ForEachOwnSlot(0, image, [&settle](int fd, const Place&) { settle(fd, raw::IsOpen(fd)); });
      open = LedgerCountOpen();
    } else if (AgreesWithKernel(image)) {
      ForEachSlot(0, UINT32_MAX, [&settle](int fd, const Place& place) {
        settle(fd, LoadHead(*place.slot).state == SlotState::kOpen);
      });
    } else {
      CompareWithKernel(Reach(), WasUsed, settle);
    }
    record->open_at_end = open;
    record->checked_at_end = 1;
  } else {
    Atomic(record->reasons).fetch_or(trace::kReasonExitUnchecked);
    reports = true;
  }
  LedgerSumUp();
  // Other threads may still be recording; only a process that never had any gives its blocks back.
  if (!reports && (NeverThreaded() || InVforkChild()) && !MayHaveHeldUntilExit(image)) ReleaseBlocks(image);
}

}  // namespace fdaudit::shim
