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

/// The latest use of a number, as far as it tells that another look is not needed: a loop that reads byte by byte comes
/// from one place. Whoever stores half of an entry while another reads it makes a use too old by one.
struct KnownUse {
  uint32_t image;   ///< of whom the rest is; another's: inherited by fork
  uint32_t caller;  ///< lower half of the return address; 0 = none since the number was opened
  uint64_t* place;  ///< in the trace; nullptr: inherited, and not touched since
};
constexpr uint32_t kKnownNumbers = 1024;
FDAUDIT_LARGE constinit KnownUse known_uses[kKnownNumbers] = {};

uint64_t* PlaceOf(int fd, uint32_t image) {
  const Place place = Find(fd, false);
  return place.block == nullptr ? nullptr : LastUseOf(*place.block, fd, image);
}

uint32_t StackOf(const CallerRegisters& caller) {
  if (options.last_use != Options::LastUse::kStack) return CallerNumber(caller.pc);
  const Guard guard;
  return StackNumber(caller, guard.nested());
}

/// `known`: the number's entry, nullptr where there is none.
__attribute__((noinline)) void Store(const CallerRegisters& caller, uint16_t call, int fd, uint32_t image,
                                     KnownUse* known) {
  if (OnForeignStorage() || InVforkChild()) return;
  const ThreadState& thread = ThreadOf(image);
  if (thread.guests != 0 || InVforkChild() || !thread.UsesLedger()) return;
  const bool is_placed = known != nullptr && known->image == image && known->place != nullptr;
  uint64_t* place = is_placed ? known->place : PlaceOf(fd, image);
  if (place != nullptr) Atomic(*place).store(trace::PackUse({StackOf(caller), call}), std::memory_order_relaxed);
  // Whole call paths differ although the caller is the same.
  if (known == nullptr || options.last_use == Options::LastUse::kStack) return;
  if (!is_placed) *known = {image, 0, place};
  Atomic(known->caller).store(static_cast<uint32_t>(caller.pc), std::memory_order_relaxed);
}

}  // namespace

void NoteLastUse(const CallerRegisters& caller, uint16_t call, int fd) {
  const uint32_t image = process_mark->image;
  if (image == 0) return;
  const auto number = static_cast<uint32_t>(fd);
  KnownUse* known = number < kKnownNumbers ? &known_uses[number] : nullptr;
  if (known != nullptr && known->image == image && known->caller == static_cast<uint32_t>(caller.pc)) return;
  Store(caller, call, fd, image, known);
}

void ForgetLastUse(PrivateBlock& block, int fd, uint32_t image) {
  uint64_t* last_use = LastUseOf(block, fd, image);
  if (last_use != nullptr) Atomic(*last_use).store(0, std::memory_order_relaxed);
  const auto number = static_cast<uint32_t>(fd);
  if (number < kKnownNumbers) Atomic(known_uses[number].caller).store(0, std::memory_order_relaxed);
}

}  // namespace fdaudit::shim
