#pragma once

// quarantine=1: a new descriptor at a number that rests (ledger/rest.h) is moved to another before the program sees it,
// so that a stale close or use of that number meets EBADF instead of somebody's file. docs/quarantine.md has what this
// changes for the program, and which descriptors stay where the kernel has put them.
//
// Any thread, any signal context, no locks, errno untouched.

#include "shim/ledger/rest.h"

namespace fdaudit::shim {

struct CallSite;

/// New: an open file description of its own. Another: one that the process may have under other numbers too.
enum class Reference { kNew, kAnother };

/// The slow path of the next one.
int MoveFromRest(const CallSite& site, int fd, Reference reference);

/// `fd` has just been handed out, and the program has not seen it yet. Returns the number that the descriptor has from
/// now on, which is to be recorded.
inline int OutOfRest(const CallSite& site, int fd, Reference reference = Reference::kNew) {
  return __builtin_expect(IsResting(fd), 0) ? MoveFromRest(site, fd, reference) : fd;
}

}  // namespace fdaudit::shim
