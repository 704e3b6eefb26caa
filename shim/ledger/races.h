#pragma once

// Closes and opens of one number that race. A stale close that is under way leaves its mark in the slot
// (kStaleUnderWay, PrivateSlot::stale); the one that records after it, opener or closer, finds it there and knows which
// incarnation it hit.

#include <cstdint>

#include "shim/ledger/slots.h"

namespace fdaudit::shim {

/// True while, or where, closes of one number by other threads than `thread` overlapped with the life of its current
/// incarnation. Which of them hit what isn't always known then, and no unseen close is suspected. `own`: closes of the
/// asking thread that are under way.
bool ManyClosed(PrivateSlot& slot, uint32_t own, uint32_t thread);

/// What a mark in the slot means for the incarnation `life` that is being recorded now, by a call that began at
/// `began`. `head` is the new one.
Head AfterStaleMark(PrivateSlot& slot, Head head, uint64_t began, trace::Incarnation* life, uint32_t image);

/// Whether `life`, which is being recorded now by a call that began at `began`, is what a stale close hit before the
/// number's current incarnation was opened: recorded late. `hit` is set then, and the slot keeps what is open in it.
bool TakeLateVictim(PrivateSlot& slot, Head head, trace::Incarnation life, uint64_t began, CloseOutcome* hit);

/// The number was handed out again while the incarnation before is open in the ledger: it was closed unseen, or by a
/// stale close that has not returned to settle it. Or the image began, and asked the kernel what is open, only after
/// the call that is being recorded, at `began`, had opened it.
void EndUnclosed(PrivateSlot& slot, Head* head, uint32_t image, uint64_t began, CloseOutcome* hit);

/// The story of the incarnation `count` and of the one before it.
void Snapshot(const PrivateSlot& slot, uint32_t count, CloseOutcome* out);

/// A close by `act` has returned with `error` (0, or errno).
CloseOutcome SettleClose(const Place& place, int fd, const CloseTicket& ticket, const trace::Act& act, int error);

}  // namespace fdaudit::shim
