// Uses of terminals. What asks whether a descriptor is one (isatty, ttyname, tcgetattr, tcgetpgrp …) is not here.

#include <pty.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include <cstdlib>

#include "shim/events/events.h"
#include "shim/families/means.h"

extern "C" int __ptsname_r_chk(int, char*, size_t, size_t) noexcept;
extern "C" int tcsetwinsize(int, const winsize*) noexcept;  // newer headers declare it

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE(USES, int, tcflush, int fd, int queue) noexcept { return Used(fd, real::tcflush, fd, queue); }
INTERPOSE(USES, int, tcflow, int fd, int action) noexcept { return Used(fd, real::tcflow, fd, action); }
INTERPOSE(USES, int, tcdrain, int fd) { return Used(fd, real::tcdrain, fd); }
INTERPOSE(USES, int, tcsendbreak, int fd, int duration) noexcept { return Used(fd, real::tcsendbreak, fd, duration); }
INTERPOSE(USES, int, tcsetpgrp, int fd, pid_t group) noexcept { return Used(fd, real::tcsetpgrp, fd, group); }
INTERPOSE(USES, int, grantpt, int fd) noexcept { return Used(fd, real::grantpt, fd); }
INTERPOSE(USES, int, unlockpt, int fd) noexcept { return Used(fd, real::unlockpt, fd); }
INTERPOSE(USES, char*, ptsname, int fd) noexcept { return UsedForText(fd, real::ptsname, fd); }
INTERPOSE(USES, int, ptsname_r, int fd, char* buffer, size_t size) noexcept {
  return UsedForError(fd, real::ptsname_r, fd, buffer, size);
}
INTERPOSE(USES, int, __ptsname_r_chk, int fd, char* buffer, size_t size, size_t room) noexcept {
  return UsedForError(fd, real::__ptsname_r_chk, fd, buffer, size, room);
}
