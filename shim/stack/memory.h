#pragma once

// Each thread's memory of the last call path it walked. The next path usually shares all but a few inner frames with
// it, and these outer frames need not be walked again, only verified: a walk is determined by the frame it starts from
// and by the words it loads, so if it arrives at a remembered frame (same pc, RSP, RBP), and every word that was loaded
// from there outwards still holds its value, the rest is the same. Nothing less is enough: dead stack memory keeps old
// return addresses, and a frame whose CFA hangs on RBP moves with the saved RBP.
//
// 2.8 KiB a thread (thread_blocks.h). A signal handler may interrupt the walk anywhere, walk itself, and leave by
// siglongjmp: `valid` is cleared while the memory changes, and a walk that finds another's number at its end starts
// over.

#include <cstdint>

#include "shim/stack/walk.h"

namespace fdaudit::shim {

/// The hash of the path, as HashStack. False: not applicable here (not on the thread's own stack), or disturbed.
bool HashWithMemory(const CallerRegisters& caller, uint32_t depth, uint64_t* hash);

}  // namespace fdaudit::shim
