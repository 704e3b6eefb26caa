#pragma once

// Which call path closed what which call path had opened, counted in the trace: the ledger forgets all but the last two
// lives of a number, and the journal's ring comes round. A leak's report says by it where the leak's siblings were
// closed. Lock-free, any context; some nanoseconds.
//
// Not counted: what was inherited (another image's opening), what has no call path, and the few closes whose number
// another thread's stale close had hit meanwhile, which have a finding of their own.

#include "shim/trace/format.h"

namespace fdaudit::shim {

/// `life` has just been closed: both its acts are known.
void CountClose(const trace::Incarnation& life);

/// It has not, after all.
void UncountClose(const trace::Incarnation& life);

}  // namespace fdaudit::shim
