#include "shim/ledger/ledger.h"

#include <cerrno>

#include "shim/base/clock.h"
#include "shim/base/raw_io.h"
#include "shim/ledger/close_counts.h"
#include "shim/ledger/last_use.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/races.h"
#include "shim/ledger/rest.h"
#include "shim/ledger/slots.h"

namespace fdaudit::shim {

using trace::Act;
using trace::Incarnation;
using trace::SlotState;

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
  NoteOpenNumber(fd);
  for (;;) {
    const Head head = LoadHead(slot);
    if (slot.missed_ended != 0 && TakeLateVictim(slot, head, MakeLife(act, what), began, hit)) {
      const bool is_last = head.state != SlotState::kOpen;
      if (is_last) NoteClosedNumber(fd);
      const bool mirrored = is_last ? MirrorOpened(*place.block, slot, fd, act.image, what.target)
                                    : MirrorSlot(*place.block, slot, fd, act.image);
      if (!mirrored) Dropped(act.image, trace::kReasonNoRoom);
      return 0;
    }
    Head wanted = head;
    if (head.state == SlotState::kOpen) {
      EndUnclosed(slot, &wanted, act.image, began, hit);
      wanted.flags = 0;
    }
    wanted.count = NextLife(wanted.count);
    wanted.state = SlotState::kOpen;
    Incarnation& life = slot.lives[wanted.count & 1];
    life = MakeLife(act, what);
    if (wanted.flags != 0) wanted = AfterStaleMark(slot, wanted, began, &life, act.image);
    if (!SwapHead(slot, head, wanted)) continue;
    slot.began = began;
    slot.registered_in = 0;
    slot.replaced = false;
    ++slot.opens;
    if (wanted.state == SlotState::kClosed) {
      ++slot.closes;
      NoteClosedNumber(fd);
      hit->verdict = CloseOutcome::Verdict::kHitOther;
      Snapshot(slot, wanted.count, hit);
    }
    if (!MirrorOpened(*place.block, slot, fd, act.image, what.target)) Dropped(act.image, trace::kReasonNoRoom);
    ForgetLastUse(*place.block, fd, act.image);
    return wanted.count;
  }
}

namespace {

/// Not what a parent's stream holds: a child that is about to exec closes what it doesn't need.
OwnerTag OwnerHere(const Incarnation& life, uint32_t image) {
  const OwnerTag owner = OwnerOf(life);
  if (owner == kNobody) [[likely]]
    return kNobody;
  const bool inherited = life.opened.image != image || (life.opened.flags & trace::kActInherited) != 0;
  const bool counts = (life.opened.flags & trace::kActOwned) == 0 || owner_error_level != 0;
  return inherited || !counts ? kNobody : owner;
}

/// Where openings went unrecorded, any number's may have been among them.
bool SawAllOpenings(uint32_t image) {
  const trace::ImageRecord& record = *ImageOf(image);
  return record.untracked_opens == 0 && record.events_dropped == 0;
}

bool WasOverwritten(const Incarnation& life, uint32_t image) {
  return (life.closed.flags & trace::kActOverwrote) != 0 && life.opened.image == image && life.closed.image == image &&
         (life.opened.flags & (trace::kActInherited | trace::kActDuplicated)) == 0;
}

}  // namespace

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
      const Incarnation& life = place.slot->lives[head.count & 1];
      ticket.owner = OwnerHere(life, act.image);
      const bool is_own =
          life.opened.image == act.image && (life.opened.flags & (trace::kActInherited | trace::kActSeenAtEnd)) == 0;
      if (is_own && OwnerOf(life) == kNobody && owner_error_level != 0) ticket.gave_up = place.slot->declared;
      if (head.count > 1) {
        const Incarnation& before = place.slot->lives[(head.count - 1) & 1];
        ticket.overwrote = WasOverwritten(before, act.image) && !place.slot->replaced;
        if (before.closed.image == act.image) ticket.last_owner = OwnerHere(before, act.image);
      }
      return ticket;
    }
    ticket.found = head.state == SlotState::kClosed ? CloseTicket::Found::kClosed
                   : head.state == SlotState::kGone ? CloseTicket::Found::kGone
                                                    : CloseTicket::Found::kNever;
    if (head.flags != 0) return ticket;  // another stale close is at it, or waits for its victim's record
    place.slot->stale = act;
    Head wanted = head;
    wanted.flags = kStaleUnderWay;
    ticket.marked = SwapHead(*place.slot, head, wanted);
    if (ticket.marked) return ticket;
  }
}

CloseOutcome LedgerCloseEnd(int fd, const CloseTicket& ticket, const Act& act, int error) {
  const Place place = Find(fd, false);
  if (!ticket.counted) {  // beyond the ledger's reach when it began
    CloseOutcome outcome;
    if (error == EBADF && SawAllOpenings(act.image)) outcome.verdict = CloseOutcome::Verdict::kFailedNever;
    if (error != EBADF) Count(&trace::ImageRecord::untracked_opens, act.image);
    return outcome;
  }
  const CloseOutcome outcome = SettleClose(place, fd, ticket, act, error);
  if ((act.flags & trace::kActSingleThreaded) == 0) {
    const bool hit_unknown = error != EBADF && ticket.found != CloseTicket::Found::kOpen && !ticket.marked;
    place.slot->last_closer = hit_unknown ? 0 : act.thread;
    place.slot->last_close = Stamp();
  }
  Atomic(place.slot->closes_under_way).fetch_sub(1);
  return outcome;
}

bool LedgerLifeOf(int fd, const CloseTicket& ticket, CloseOutcome* out) {
  const Place place = Find(fd, false);
  if (place.slot == nullptr) return false;
  const Head head = LoadHead(*place.slot);
  if (head.count != ticket.count || head.state != SlotState::kClosed) return false;
  Snapshot(*place.slot, head.count, out);
  return true;
}

void LedgerNotableClose(int fd, const CloseTicket& ticket, CloseOutcome::Verdict verdict, CloseOutcome* out) {
  if (LedgerLifeOf(fd, ticket, out)) out->verdict = verdict;
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
  UncountClose(place.slot->lives[count & 1]);
  place.slot->lives[count & 1].closed = Act{};
  place.slot->closing = 0;
  --place.slot->closes;
  NoteOpenNumber(fd);
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

void LedgerMarkSwept(int first, int last, uint32_t stack) {
  const uint32_t image = CurrentImage();
  ForEachSlot(static_cast<uint32_t>(first), static_cast<uint32_t>(last), [=](int fd, const Place& place) {
    const Head head = LoadHead(*place.slot);
    Incarnation& life = place.slot->lives[head.count & 1];
    const bool swept = head.state == SlotState::kClosed && life.closed.stack == stack && life.closed.image == image;
    if (!swept || (life.closed.flags & trace::kActSwept) != 0) return;
    life.closed.flags |= trace::kActSwept;
    Mirror(place, fd, image);
  });
}

void LedgerOverwritten(int fd, const Act& act, uint32_t count) {
  const Place place = Find(fd, false);
  if (place.slot == nullptr) return;
  if (place.slot->image != act.image) {
    TakeOver(*place.slot, act.image, LoadHead(*place.slot).state == SlotState::kOpen);
  }
  const Head head = LoadHead(*place.slot);
  if (head.state == SlotState::kOpen && (count == 0 || head.count == count)) CloseOpen(place, fd, act, head);
}

bool LedgerDescribe(int fd, NewDescriptor* out, char (&target)[trace::kTargetSize]) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return false;
  const Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  out->kind = life.kind;
  out->detail = life.detail;
  if (life.kind == trace::FdKind::kPipe) out->detail &= trace::kPipeWriteEnd;
  out->flags = life.flags & trace::kListsDescriptors;
  LedgerTarget(fd, target);
  out->target = target;
  return true;
}

void LedgerOwner(int fd, NewDescriptor* out) {
  const uint32_t image = CurrentImage();
  // Not FindOwn: the kernel's word is about what has just been put there.
  const Place place = Find(fd, false);
  if (place.slot == nullptr || place.slot->image != image || LoadHead(*place.slot).state != SlotState::kOpen) return;
  const Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  if (OwnerHere(life, image) == kNobody) return;
  out->owner = reinterpret_cast<const void*>(life.owner);
  out->declared = (life.opened.flags & trace::kActOwned) != 0;
  out->flags |= life.flags & (trace::kOwnedByFile | trace::kOwnedByDir);
}

void LedgerTarget(int fd, char (&target)[trace::kTargetSize]) {
  target[0] = '\0';
  const Place place = Find(fd, false);
  if (place.slot != nullptr && LoadHead(*place.slot).count != 0) CopyTarget(*place.block, fd, CurrentImage(), target);
}

bool LedgerLives(int fd, CloseOutcome* out) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr) return false;
  const Head head = LoadHead(*place.slot);
  if (head.state != SlotState::kOpen || head.count < 2) return false;
  Snapshot(*place.slot, head.count, out);
  return out->lives[1].closed.stamp != 0 && out->lives[1].closed.image == image;
}

void LedgerHolders(Holder (&out)[trace::kMaxHolders]) {
  for (Holder& holder : out) holder = {};
  ForEachSlot(0, UINT32_MAX, [&out](int, const Place& place) {
    const Head head = LoadHead(*place.slot);
    if (head.state != SlotState::kOpen) return;
    const uint32_t stack = place.slot->lives[head.count & 1].opened.stack;
    for (Holder& holder : out) {
      if (holder.count != 0 && holder.stack != stack) continue;
      holder.stack = stack;
      ++holder.count;
      return;
    }
  });
}

Standing LedgerStanding(int fd, CloseOutcome* lives) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  const Head head = place.slot == nullptr ? Head{} : LoadHead(*place.slot);
  if (head.state == SlotState::kNever) {
    const bool is_open = fd >= 0 && SystemCallsAllowed() && raw::IsOpen(fd);
    return SawAllOpenings(image) && !is_open ? Standing::kNever : Standing::kUnknown;
  }
  const bool is_closed = head.state == SlotState::kClosed;
  // A stale close that is under way, or has hit an unrecorded descriptor: whose number it was is unknown.
  if ((!is_closed && head.state != SlotState::kOpen) || head.flags != 0) return Standing::kUnknown;
  Snapshot(*place.slot, head.count, lives);
  return is_closed ? Standing::kClosed : Standing::kOpen;
}

void LedgerReplaced(int fd) {
  if (const Place place = FindOwn(fd, CurrentImage()); place.slot != nullptr) place.slot->replaced = true;
}

uint32_t LedgerOpenCount(int fd) {
  if (static_cast<uint32_t>(fd) >= kMaxDescriptors || !WasUsed(fd)) return 0;
  const Head head = LoadHead(*Find(fd, false).slot);
  return head.state == SlotState::kOpen ? head.count : 0;
}

int LedgerLowestFree(int* fds, int count) {
  int found = 0;
  for (int fd = 0; found < count && static_cast<uint32_t>(fd) < kMaxDescriptors; ++fd) {
    if (LedgerOpenCount(fd) == 0) fds[found++] = fd;
  }
  return found;
}

void LedgerAdopt(int fd, uint8_t owner_flag, const void* owner) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return;
  Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  life.owner = reinterpret_cast<uint64_t>(owner);
  life.opened.flags &= static_cast<uint16_t>(~trace::kActOwned);
  life.flags |= owner_flag;
  if (owner_flag == trace::kOwnedByDir) life.kind = trace::FdKind::kDirectory;  // opened without O_DIRECTORY, maybe
  Mirror(place, fd, image);
}

void LedgerRetarget(int fd, const char* target) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return;
  if (!MirrorOpened(*place.block, *place.slot, fd, image, target)) Dropped(image, trace::kReasonNoRoom);
}

namespace {

/// Which life of the number `set` is the epoll set. One that was inherited may not stand in the trace yet, or not be
/// known for what it is.
uint32_t LifeOfSet(int set, uint32_t image) {
  const Place place = FindOwn(set, image);
  if (place.slot == nullptr) return 0;
  const uint32_t count = LoadHead(*place.slot).count;
  Incarnation& life = place.slot->lives[count & 1];
  if ((life.opened.flags & trace::kActInherited) != 0) {
    life.kind = trace::FdKind::kEpoll;
    Mirror(place, set, image);
  }
  return count;
}

/// In a set that is still open.
bool IsRegistered(const PrivateSlot& slot) {
  if (slot.registered_in == 0 || slot.registered_in == trace::kRegisteredSomewhere) return slot.registered_in != 0;
  const Place set = Find(slot.registered_in - 1, false);
  if (set.slot == nullptr) return false;
  const Head head = LoadHead(*set.slot);
  return head.state == SlotState::kOpen && head.count == slot.registered_life;
}

}  // namespace

uint32_t LedgerRegister(int fd, int set, bool on) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return 0;
  PrivateSlot& slot = *place.slot;
  const uint16_t number =
      set < trace::kRegisteredSomewhere ? static_cast<uint16_t>(set + 1) : trace::kRegisteredSomewhere;
  const uint32_t life = LifeOfSet(set, image);
  const bool same = slot.registered_in == number && slot.registered_life == life;
  // In two sets, or taken out of what may be another name of the set that it was put in: no telling any more.
  const bool elsewhere = !same && IsRegistered(slot);
  slot.registered_in = elsewhere ? trace::kRegisteredSomewhere : on ? number : uint16_t{0};
  slot.registered_life = life;
  Mirror(place, fd, image);
  return LoadHead(slot).count;
}

void LedgerSetCloseOnExec(int fd, bool on) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return;
  Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  life.flags = static_cast<uint8_t>(on ? life.flags | trace::kCloseOnExec : life.flags & ~trace::kCloseOnExec);
  life.opened.flags =
      static_cast<uint16_t>(on ? life.opened.flags & ~trace::kActKept : life.opened.flags | trace::kActKept);
  Mirror(place, fd, image);
}

void LedgerSetCloseOnExecRange(uint32_t first, uint32_t last) {
  ForEachSlot(first, last, [](int fd, const Place& place) {
    if (LoadHead(*place.slot).state == SlotState::kOpen) LedgerSetCloseOnExec(fd, true);
  });
}

}  // namespace fdaudit::shim
