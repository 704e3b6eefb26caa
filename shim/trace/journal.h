#pragma once

// The journal: a ring of blocks of events. A thread claims a block at a time, so that threads share one counter only
// once in 31 events. When the ring comes round, the oldest events are overwritten. Lock-free, usable in every context.

#include <cstdint>

#include "shim/base/thread.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Writes `event` (its tag is filled in) and returns its position, or 0 when it could not be written.
uint64_t WriteEvent(ThreadState& thread, trace::Event event);

/// Changes the event at `position` to reach on to number `last`, if it is still there. False otherwise.
bool ExtendEvent(uint64_t position, int32_t last);

}  // namespace fdaudit::shim
