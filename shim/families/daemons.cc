// Sessions of their own, and the terminals of such sessions: setsid, daemon, login_tty. forkpty is in ptys.cc.

#include <paths.h>
#include <unistd.h>
#include <utmp.h>

#include "shim/base/thread_pointer.h"
#include "shim/events/daemon.h"
#include "shim/events/events.h"
#include "shim/families/new_descriptors.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("begins a session: its descriptors may be a daemon's", pid_t, setsid) noexcept {
  return BegunSession(real::setsid);
}

INTERPOSE("goes on in a process with a copy of the table and ends the caller; opens /dev/null as 0 to 2", int, daemon,
          int keep_directory, int keep_standard)
noexcept {
  const CallSite site = FDAUDIT_CALL_SITE(real::daemon);
  const Daemonizing before = BeforeDaemon();
  const int result = real::daemon(keep_directory, keep_standard);
  const int saved_errno = LastError();
  const bool is_daemon = AfterDaemon(site, before, result != 0);
  if (is_daemon && result == 0 && keep_standard == 0) {
    RecordOpenedOntoStandard(site, NewObject(fdaudit::trace::FdKind::kCharacterDevice, false, _PATH_DEVNULL));
  }
  SetLastError(saved_errno);
  return result;
}

// It begins a session as well, one that a terminal controls: no daemon's.
INTERPOSE("duplicates a terminal to 0, 1 and 2, and closes it", int, login_tty, int terminal) noexcept {
  const CallSite site = FDAUDIT_CALL_SITE(real::login_tty);
  const int result = real::login_tty(terminal);
  if (result != 0) return result;
  const int saved_errno = LastError();
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fd != terminal) RecordDuplicated(site, terminal, fd, 0, Placement::kExactly);
  }
  if (terminal > STDERR_FILENO) RecordClosedInside(site, terminal);
  SetLastError(saved_errno);
  return result;
}
