// Descriptors as such: closing them, one or many, and copying them.

#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>

#include "shim/events/events.h"
#include "shim/families/means.h"

extern "C" {
int __close(int);
int __dup2(int, int);
int __fcntl(int, int, ...);
// Declared by unistd.h since glibc 2.34.
int close_range(unsigned int, unsigned int, int) noexcept;
void closefrom(int) noexcept;
}

// A number or a pointer; both are passed on as they came.
#define FDAUDIT_FCNTL_ARGUMENT(last)                         \
  ({                                                         \
    va_list arguments;                                       \
    va_start(arguments, last);                               \
    const uintptr_t argument = va_arg(arguments, uintptr_t); \
    va_end(arguments);                                       \
    argument;                                                \
  })

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("closes", int, close, int fd) { return Closed(fd, real::close, fd); }
INTERPOSE("closes", int, __close, int fd) { return Closed(fd, real::__close, fd); }
INTERPOSE("closes a range, or marks it close-on-exec", int, close_range, unsigned int first, unsigned int last,
          int flags)
noexcept {
  return ClosedRange(first, last, static_cast<unsigned>(flags), real::close_range, first, last, flags);
}
INTERPOSE("closes all from a number on", void, closefrom, int first) noexcept {
  const CallSite site = FDAUDIT_CALL_SITE(real::closefrom);
  PendingClose pending;
  RecordClosingRange(site, first < 0 ? 0 : static_cast<uint32_t>(first), UINT32_MAX, &pending);
  real::closefrom(first);
}

INTERPOSE("copies to the lowest free number", int, dup, int fd) noexcept {
  return Duplicated(fd, 0, Placement::kLowest, real::dup, fd);
}
INTERPOSE("copies to a given number, closing what is there" CHECKED, int, dup2, int from, int to) noexcept {
  return DuplicatedTo(from, to, 0, real::dup2, from, to);
}
INTERPOSE("copies to a given number, closing what is there" CHECKED, int, __dup2, int from, int to) {
  return DuplicatedTo(from, to, 0, real::__dup2, from, to);
}
INTERPOSE("copies to a given number, closing what is there" CHECKED, int, dup3, int from, int to, int flags) noexcept {
  const uint8_t close_on_exec = (flags & O_CLOEXEC) != 0 ? fdaudit::trace::kCloseOnExec : 0;
  return DuplicatedTo(from, to, close_on_exec, real::dup3, from, to, flags);
}

INTERPOSE("copies (F_DUPFD, F_DUPFD_CLOEXEC); sets close-on-exec (F_SETFD)" CHECKED, int, fcntl, int fd, int command,
          ...) {
  const uintptr_t value = FDAUDIT_FCNTL_ARGUMENT(command);
  return Controlled(fd, command, value, real::fcntl, fd, command, value);
}
INTERPOSE("copies (F_DUPFD, F_DUPFD_CLOEXEC); sets close-on-exec (F_SETFD)" CHECKED, int, fcntl64, int fd, int command,
          ...) {
  const uintptr_t value = FDAUDIT_FCNTL_ARGUMENT(command);
  return Controlled(fd, command, value, real::fcntl64, fd, command, value);
}
INTERPOSE("copies (F_DUPFD, F_DUPFD_CLOEXEC); sets close-on-exec (F_SETFD)" CHECKED, int, __fcntl, int fd, int command,
          ...) {
  const uintptr_t value = FDAUDIT_FCNTL_ARGUMENT(command);
  return Controlled(fd, command, value, real::__fcntl, fd, command, value);
}
