#pragma once

// Which call used each descriptor last: what leads from the opening of a leak to the return that forgot it. Kept in the
// trace, beside the descriptor's slot, so that it outlives a kill; by the caller's return address alone, because it is
// stored at every read and write, or by the whole call path where that is asked for (Options::last_use).

#include <cstdint>

#include "shim/ledger/mirror.h"
#include "shim/process/image.h"
#include "shim/stack/walk.h"

namespace fdaudit::shim {

/// Who used each low number last, as far as it tells that nothing is to be stored: a loop that reads byte by byte comes
/// from one place. The image's number and the lower half of the return address; 0 = nobody since it was opened. Looked
/// at in each use, so it lies where little else has to be touched.
inline constexpr uint32_t kNearNumbers = 256;
inline constinit uint64_t latest_users[kNearNumbers] = {};

constexpr uint64_t UserOf(uint32_t image, uintptr_t pc) { return uint64_t{image} << 32 | static_cast<uint32_t>(pc); }

/// The call at `pc` has used `fd` last, and so stands in the trace. False where that is not known. In a forked child
/// that has not begun it is its parent that has, whose number it is.
inline bool WasLastUser(int fd, uintptr_t pc) {
  const auto number = static_cast<uint32_t>(fd);
  return number < kNearNumbers &&
         Atomic(latest_users[number]).load(std::memory_order_relaxed) == UserOf(last_image, pc);
}

/// A call is about to use `fd`. Any thread, any signal context, no locks, errno untouched.
void NoteLastUse(const CallerRegisters& caller, uint16_t call, int fd);

/// `fd`, of the block, has been opened anew by this image.
void ForgetLastUse(PrivateBlock& block, int fd, uint32_t image);

}  // namespace fdaudit::shim
