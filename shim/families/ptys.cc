// Pseudo-terminals.

#include <fcntl.h>
#include <pty.h>

#include <cstdlib>

#include "shim/events.h"
#include "shim/families/new_descriptors.h"

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
    RecordOpenedPair(site, {*master, *slave}, {NewTerminal(kMaster), NewTerminal(name)});
  } else if (IsTableFull(errno)) {
    RecordOpenFailed(site);
  }
  return result;
}
