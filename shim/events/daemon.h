#pragma once

// Daemons: processes that begin a session of their own (setsid), and daemon(3), inside of which one process forks
// another and ends. Any thread, any signal context, no locks, errno untouched.

#include "shim/events/clone.h"

namespace fdaudit::shim {

/// setsid(2).
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto BegunSession(Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const auto session = function(arguments...);
  if (session != -1) RecordSession(site);
  return session;
}

/// A daemon(3) between its preparation and its return.
struct Daemonizing {
  Cloning cloning;  ///< libc's fork
  int pid;          ///< of the process that called; 0 = nothing is recorded
  bool ended;       ///< its image is marked as ended
};

/// The caller ends inside libc by _exit(0), which nothing of ours sees: its image ends now.
Daemonizing BeforeDaemon();
/// The process that returns is the daemon, or the caller that could not fork: its recorded end is taken back. True in
/// the daemon, which has begun its image then. `failed`: daemon returns -1, which it may in either.
bool AfterDaemon(const CallSite& site, const Daemonizing& before, bool failed);

}  // namespace fdaudit::shim
