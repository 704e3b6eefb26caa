// What programs declare of their descriptors (fdaudit.h): who holds them, and what is left open on purpose.

#include "shim/ledger/ledger.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/races.h"
#include "shim/ledger/slots.h"

namespace fdaudit::shim {

using trace::Incarnation;
using trace::SlotState;

namespace {

/// The current life of `fd` where it is open, nullptr otherwise.
Incarnation* OpenLife(const Place& place) {
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return nullptr;
  return &place.slot->lives[LoadHead(*place.slot).count & 1];
}

/// Looks for the life of the number that `owner` held, and that this image has closed.
bool FindLostLife(const PrivateSlot& slot, Head head, OwnerTag owner, uint32_t image, CloseOutcome* out) {
  const uint32_t last = head.state == SlotState::kOpen ? head.count - 1 : head.count;
  if (last == 0) return false;
  const Incarnation& life = slot.lives[last & 1];
  if (life.closed.stamp == 0 || life.closed.image != image || OwnerOf(life) != owner) return false;
  if (last == head.count) {
    Snapshot(slot, last, out);
  } else {
    out->lives[0] = life;  // the one before it is forgotten
  }
  return true;
}

}  // namespace

OwnerTag LedgerOwnerTag(int fd) {
  const Place place = FindOwn(fd, CurrentImage());
  const Incarnation* life = OpenLife(place);
  return life == nullptr ? kNobody : OwnerOf(*life);
}

bool LedgerClosedOwner(OwnerTag owner, int* fd, CloseOutcome* out) {
  const uint32_t image = CurrentImage();
  bool holds = false;
  uint64_t latest = 0;
  ForEachOwnSlot(0, image, [&](int number, const Place& place) {
    const Incarnation* open = OpenLife(place);
    holds = holds || (open != nullptr && OwnerOf(*open) == owner);
    CloseOutcome found;
    if (!FindLostLife(*place.slot, LoadHead(*place.slot), owner, image, &found)) return;
    if (found.lives[0].closed.stamp <= latest) return;
    latest = found.lives[0].closed.stamp;
    *fd = number;
    *out = found;
  });
  return latest != 0 && !holds;
}

bool LedgerExchangeOwner(int fd, OwnerTag expected, OwnerTag owner, CloseOutcome* lost) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr) return false;
  Incarnation* life = OpenLife(place);
  if (life == nullptr || OwnerOf(*life) != expected) {
    const bool is_lost = expected != kNobody && FindLostLife(*place.slot, LoadHead(*place.slot), expected, image, lost);
    if (is_lost && (lost->lives[0].opened.flags & trace::kActInherited) == 0) {
      lost->verdict = CloseOutcome::Verdict::kHitOwned;
    }
    return false;
  }
  if (owner == expected) return true;
  life->flags &= static_cast<uint8_t>(~(trace::kOwnedByFile | trace::kOwnedByDir));
  life->opened.flags = static_cast<uint16_t>(owner == kNobody ? life->opened.flags & ~trace::kActOwned
                                                              : life->opened.flags | trace::kActOwned);
  life->owner = owner;
  if (owner != kNobody) place.slot->declared = owner;
  Mirror(place, fd, image);
  return true;
}

void LedgerLeaveOpen(int fd) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  Incarnation* life = OpenLife(place);
  if (life == nullptr) return;
  life->opened.flags |= trace::kActLeftOpen;
  Mirror(place, fd, image);
}

uint32_t LedgerCountOpenedSince(uint64_t stamp) {
  constexpr uint16_t kNotHere = trace::kActInherited | trace::kActSeenAtEnd | trace::kActLeftOpen;
  const uint32_t image = CurrentImage();
  uint32_t count = 0;
  ForEachOwnSlot(3, image, [&](int, const Place& place) {
    const Incarnation* life = OpenLife(place);
    if (life != nullptr && life->opened.stamp >= stamp && (life->opened.flags & kNotHere) == 0) ++count;
  });
  return count;
}

}  // namespace fdaudit::shim
