// Pseudo-terminals.

#include <fcntl.h>
#include <pty.h>
#include <signal.h>

#include <cstdlib>

#include "shim/base/thread_pointer.h"
#include "shim/events/clone.h"
#include "shim/events/events.h"
#include "shim/families/new_descriptors.h"
#include "shim/ledger/lifetime.h"

namespace fdaudit::shim {
namespace {

constexpr char kMaster[] = "/dev/ptmx";

NewDescriptor NewTerminal(const char* name, int flags = 0) {
  return NewObject(trace::FdKind::kPty, (flags & O_CLOEXEC) != 0, name);
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a pseudo-terminal's master", int, posix_openpt, int flags) {
  return Opened(NewTerminal(kMaster, flags), real::posix_openpt, flags);
}
INTERPOSE("opens a pseudo-terminal's master", int, getpt) { return Opened(NewTerminal(kMaster), real::getpt); }
// The slave's name is known where the program wants to know it.
INTERPOSE("opens both ends of a pseudo-terminal", int, openpty, int* master, int* slave, char* name,
          const termios* settings, const winsize* size)
noexcept {
  const CallSite site = FDAUDIT_CALL_SITE(real::openpty);
  const int result = real::openpty(master, slave, name, settings, size);
  if (result == 0) {
    *master = OutOfRest(site, *master);
    *slave = OutOfRest(site, *slave);
    RecordOpenedPair(site, {*master, *slave}, {NewTerminal(kMaster), NewTerminal(name)});
  } else if (IsTableFull(LastError())) {
    RecordOpenFailed(site);
  }
  return result;
}

// libc opens both ends and closes in each process the other's. The child gets the slave as 0, 1 and 2.
INTERPOSE("makes a process on a pseudo-terminal: opens the master, in the child the slave as 0 to 2", int, forkpty,
          int* master, char* name, const termios* settings, const winsize* size)
noexcept {
  const CallSite site = FDAUDIT_CALL_SITE(real::forkpty);
  const auto call = [&] {
    ExpectEndInside(EXIT_FAILURE);  // where the terminal cannot become the child's
    return real::forkpty(master, name, settings, size);
  };
  const auto child = static_cast<int>(Forked(site, SIGCHLD, fdaudit::trace::StartedBy::kFork, nullptr, call));
  const int saved_errno = LastError();
  if (child == 0) {
    RecordOpenedOntoStandard(site, NewTerminal(name));
  } else if (child > 0) {
    *master = OutOfRest(site, *master);
    RecordOpened(site, *master, NewTerminal(kMaster));
  } else if (IsTableFull(LastError())) {
    RecordOpenFailed(site);
  }
  SetLastError(saved_errno);
  return child;
}
