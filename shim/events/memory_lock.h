#pragma once

// mlockall(2) locks the program's memory. The trace is no part of it: locked, all of what is mapped of the sparse file
// would become real, and count against the limit that the program lives with (RLIMIT_MEMLOCK). Neither is the shim.

#include "shim/base/thread_pointer.h"

namespace fdaudit::shim {

/// After a call of mlockall: takes the trace and the shim out again. Where it failed for the limit, which the
/// shim's memory counts against as well, tries to lock all else. True: it succeeds.
bool LeaveOutOfLock(int flags, bool succeeded);

/// Makes the call `made(arguments…)`, which is mlockall by name or number.
template <typename Made, typename... Arguments>
auto LockedAll(int flags, Made& made, Arguments... arguments) {
  const int errno_before = LastError();
  const auto result = made(arguments...);
  if (LeaveOutOfLock(flags, result == 0) && result != 0) {
    SetLastError(errno_before);
    return decltype(result){0};
  }
  return result;
}

}  // namespace fdaudit::shim
