#include "shim/ledger/last_use.h"

#include "shim/base/guard.h"
#include "shim/base/large.h"
#include "shim/base/options.h"
#include "shim/base/thread.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/slots.h"
#include "shim/stack/table.h"

namespace fdaudit::shim {
namespace {

/// Where the latest use of a number is kept.
struct KnownPlace {
  uint32_t image;   ///< of whom it is; another's: inherited by fork
  uint64_t* place;  ///< in the trace
};
constexpr uint32_t kKnownNumbers = 1024;
FDAUDIT_LARGE constinit KnownPlace known_places[kKnownNumbers] = {};

/// nullptr: inherited, and not touched since.
uint64_t* PlaceOf(int fd, uint32_t image) {
  const auto number = static_cast<uint32_t>(fd);
  KnownPlace* known = number < kKnownNumbers ? &known_places[number] : nullptr;
  if (known != nullptr && known->image == image) return known->place;
  const Place found = Find(fd, false);
  uint64_t* place = found.block == nullptr ? nullptr : LastUseOf(*found.block, fd, image);
  if (known != nullptr && place != nullptr) {
    known->place = place;
    Atomic(known->image).store(image, std::memory_order_release);
  }
  return place;
}

uint32_t StackOf(const CallerRegisters& caller) {
  if (options.last_use != Options::LastUse::kStack) return CallerNumber(caller.pc);
  const Guard guard;
  return StackNumber(caller, guard.nested());
}

}  // namespace

void NoteLastUse(const CallerRegisters& caller, uint16_t call, int fd) {
  const uint32_t image = process_mark->image;
  if (image == 0 || OnForeignStorage() || InVforkChild()) return;
  const ThreadState& thread = ThreadOf(image);
  if (thread.guests != 0 || !thread.UsesLedger()) return;
  uint64_t* place = PlaceOf(fd, image);
  if (place != nullptr) Atomic(*place).store(trace::PackUse({StackOf(caller), call}), std::memory_order_relaxed);
  // Whole call paths differ although the caller is the same.
  const auto number = static_cast<uint32_t>(fd);
  if (number >= kNearNumbers || options.last_use == Options::LastUse::kStack) return;
  Atomic(latest_users[number]).store(UserOf(image, caller.pc), std::memory_order_relaxed);
}

void ForgetLastUse(PrivateBlock& block, int fd, uint32_t image) {
  uint64_t* last_use = LastUseOf(block, fd, image);
  if (last_use != nullptr) Atomic(*last_use).store(0, std::memory_order_relaxed);
  const auto number = static_cast<uint32_t>(fd);
  if (number < kNearNumbers) Atomic(latest_users[number]).store(0, std::memory_order_relaxed);
}

}  // namespace fdaudit::shim
