#include "shim/ledger/races.h"

#include <cerrno>

#include "shim/base/clock.h"
#include "shim/ledger/close_counts.h"
#include "shim/ledger/rest.h"

namespace fdaudit::shim {
namespace {

using trace::Act;
using trace::Incarnation;
using trace::SlotState;

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
    if (!hits) {
      NoteUsed(place, fd);
      return outcome;
    }
    life.closed = act;
    life.flags |= trace::kStaleHit;
    ++slot.closes;
    NoteClosedNumber(fd);
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
      if (!ManyClosed(slot, 1, act.thread)) Count(&trace::ImageRecord::untracked_closes, act.image);
      UncountClose(life);
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

}  // namespace

void Snapshot(const PrivateSlot& slot, uint32_t count, CloseOutcome* out) {
  out->lives[0] = slot.lives[count & 1];
  if (count > 1) out->lives[1] = slot.lives[(count - 1) & 1];
}

bool ManyClosed(PrivateSlot& slot, uint32_t own, uint32_t thread) {
  // In this order: a close that ends in between has left its stamp by then.
  if (Atomic(slot.closes_under_way).load() > own) return true;
  return Atomic(slot.last_close).load() > slot.began && slot.last_closer != thread;
}

Head AfterStaleMark(PrivateSlot& slot, Head head, uint64_t began, Incarnation* life, uint32_t image) {
  if ((head.flags & kStaleUnderWay) != 0) {
    life->flags |= trace::kContested;  // the closer will see that we came, and settle it
  } else if ((head.flags & kStaleDone) != 0) {
    if (slot.stale_ended > began) {
      life->closed = slot.stale;
      life->flags |= trace::kStaleHit;
      head.state = SlotState::kClosed;
    } else {
      // What it hit was not recorded; perhaps not yet.
      slot.missed_counted = !ManyClosed(slot, 0, slot.stale.thread);
      if (slot.missed_counted) Count(&trace::ImageRecord::untracked_opens, image);
      slot.missed = slot.stale;
      slot.missed_ended = slot.stale_ended;
    }
  }
  head.flags &= kStaleUnderWay;
  return head;
}

bool TakeLateVictim(PrivateSlot& slot, Head head, Incarnation life, uint64_t began, CloseOutcome* hit) {
  if (slot.missed_ended <= began || slot.missed_ended > slot.began) return false;
  const uint32_t image = life.opened.image;
  if (slot.missed.image != image) return false;
  Head wanted = head;
  const bool is_last = head.state != SlotState::kOpen;
  if (is_last) {
    wanted.count = NextLife(head.count);
    wanted.state = SlotState::kClosed;
  }
  if (!SwapHead(slot, head, wanted)) return false;
  life.closed = slot.missed;
  life.flags |= trace::kStaleHit;
  hit->verdict = CloseOutcome::Verdict::kHitOther;
  hit->lives[0] = life;
  hit->lives[1] = slot.lives[(head.count - 1) & 1];
  if (is_last) slot.lives[wanted.count & 1] = life;
  if (slot.missed_counted) Atomic(ImageOf(image)->untracked_opens).fetch_sub(1, std::memory_order_relaxed);
  slot.missed_ended = 0;
  ++slot.opens;
  ++slot.closes;
  return true;
}

void EndUnclosed(PrivateSlot& slot, Head* head, uint32_t image, uint64_t began, CloseOutcome* hit) {
  Incarnation& before = slot.lives[head->count & 1];
  if ((before.opened.flags & trace::kActInherited) != 0 && process_mark->looked_at > began) {
    --ImageOf(image)->inherited;
    return;
  }
  if ((head->flags & kStaleUnderWay) == 0 || (before.flags & trace::kContested) == 0) {
    // What libc keeps it may close inside a call that has not returned yet.
    if ((before.flags & trace::kKeptByLibc) != 0) return;
    if (!ManyClosed(slot, 0, before.opened.thread)) Count(&trace::ImageRecord::untracked_closes, image);
    return;
  }
  before.closed = slot.stale;
  before.flags |= trace::kStaleHit;
  ++slot.closes;
  hit->verdict = CloseOutcome::Verdict::kHitOther;
  Snapshot(slot, head->count, hit);
}

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
  // The close before this one closed a number whose opening was not seen: whose it was, and whose it is not, is
  // unknown.
  if ((LoadHead(slot).flags & kStaleDone) != 0 || ticket.found == CloseTicket::Found::kGone) return outcome;
  outcome.verdict = CloseOutcome::Verdict::kFailedNever;
  if (ticket.found == CloseTicket::Found::kClosed) {
    outcome.verdict = CloseOutcome::Verdict::kFailedStale;
    Snapshot(slot, ticket.count, &outcome);
  }
  return outcome;
}

}  // namespace fdaudit::shim
