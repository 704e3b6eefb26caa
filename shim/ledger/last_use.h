#pragma once

// Which call used each descriptor last: what leads from the opening of a leak to the return that forgot it. Kept in the
// trace, beside the descriptor's slot, so that it outlives a kill; by the caller's return address alone, because it is
// stored at every read and write, or by the whole call path where that is asked for (Options::last_use).

#include <cstdint>

#include "shim/ledger/mirror.h"
#include "shim/stack/walk.h"

namespace fdaudit::shim {

/// A call is about to use `fd`. Any thread, any signal context, no locks, errno untouched.
void NoteLastUse(const CallerRegisters& caller, uint16_t call, int fd);

/// `fd`, of the block, has been opened anew by this image.
void ForgetLastUse(PrivateBlock& block, int fd, uint32_t image);

}  // namespace fdaudit::shim
