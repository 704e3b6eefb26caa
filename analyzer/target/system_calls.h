#pragma once

// System calls that a thread may wait in, and what they wait for.

#include <string>

namespace fdaudit::analyzer {

/// Which descriptors a call waits for.
enum class WaitsFor {
  kNothing,     ///< a lock, a child, time: no descriptor
  kFirst,       ///< the first argument is one
  kPollList,    ///< pollfd structures at the first argument, as many as the second says
  kSelectSets,  ///< fd_sets at the second to fourth argument, numbers below the first
  kTwo,         ///< the first argument and `second`
};

struct SystemCallInfo {
  long number;
  const char* name;
  WaitsFor waits_for;
  /// It goes on as if nothing had been where its thread is stopped for a moment, whatever it waits for. The others may
  /// fail with EINTR then, on sockets at least, and a program might not expect that; or they turn into
  /// restart_syscall(2), which no longer shows what it waits for.
  bool restarts;
  int second = 0;  ///< kTwo: index of the other argument
};

/// Null where it is none that is known to wait.
const SystemCallInfo* FindSystemCall(long number);

}  // namespace fdaudit::analyzer
