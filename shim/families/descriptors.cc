// Descriptors as such: closing them, one or many, and copying them.

#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>

#include "shim/events.h"

extern "C" {
int __close(int);
int __dup2(int, int);
int __fcntl(int, int, ...);
// Declared by unistd.h since glibc 2.34.
int close_range(unsigned int, unsigned int, int) noexcept;
void closefrom(int) noexcept;
}

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

namespace fdaudit::shim {
namespace {

/// close_range(2): what it will do is known beforehand, but for a lack of memory, which is put right afterwards.
template <typename Function>
__attribute__((always_inline)) inline int ClosedRange(Function& function, unsigned int first, unsigned int last,
                                                      int flags) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const bool marks_only = (static_cast<unsigned>(flags) & CLOSE_RANGE_CLOEXEC) != 0;
  PendingClose pending;
  if (first <= last && !marks_only) RecordClosingRange(site, first, last, &pending);
  const int result = function(first, last, flags);
  if (result != 0) {
    RecordRangeFailed(first, last, pending);
  } else if (marks_only) {
    RecordCloseOnExecRange(site, first, last);
  }
  return result;
}

template <typename Function>
__attribute__((always_inline)) inline int Controlled(Function& function, int fd, int command, void* argument) {
  switch (command) {
    case F_DUPFD:
      return Duplicated(fd, 0, Placement::kAtLeast, function, fd, command, argument);
    case F_DUPFD_CLOEXEC:
      return Duplicated(fd, trace::kCloseOnExec, Placement::kAtLeast, function, fd, command, argument);
    case F_SETFD: {
      const CallSite site = FDAUDIT_CALL_SITE(function);
      const int result = function(fd, command, argument);
      if (result == 0) RecordCloseOnExec(site, fd, (reinterpret_cast<uintptr_t>(argument) & FD_CLOEXEC) != 0);
      return result;
    }
    default:
      return function(fd, command, argument);
  }
}

/// dup2 onto itself does nothing.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int DuplicatedTo(int from, int to, uint8_t flags, Function& function,
                                                       A... arguments) {
  return from == to ? function(arguments...) : Duplicated(from, flags, Placement::kExactly, function, arguments...);
}

}  // namespace

#define FDAUDIT_FCNTL_ARGUMENT(last)           \
  ({                                           \
    va_list arguments;                         \
    va_start(arguments, last);                 \
    void* argument = va_arg(arguments, void*); \
    va_end(arguments);                         \
    argument;                                  \
  })

}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("closes", int, close, int fd) { return Closed(fd, real::close, fd); }
INTERPOSE("closes", int, __close, int fd) { return Closed(fd, real::__close, fd); }
INTERPOSE("closes a range, or marks it close-on-exec", int, close_range, unsigned int first, unsigned int last,
          int flags)
noexcept {
  return ClosedRange(real::close_range, first, last, flags);
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
INTERPOSE("copies to a given number, closing what is there", int, dup2, int from, int to) noexcept {
  return DuplicatedTo(from, to, 0, real::dup2, from, to);
}
INTERPOSE("copies to a given number, closing what is there", int, __dup2, int from, int to) {
  return DuplicatedTo(from, to, 0, real::__dup2, from, to);
}
INTERPOSE("copies to a given number, closing what is there", int, dup3, int from, int to, int flags) noexcept {
  const uint8_t close_on_exec = (flags & O_CLOEXEC) != 0 ? fdaudit::trace::kCloseOnExec : 0;
  return DuplicatedTo(from, to, close_on_exec, real::dup3, from, to, flags);
}

INTERPOSE("copies (F_DUPFD, F_DUPFD_CLOEXEC); sets close-on-exec (F_SETFD)", int, fcntl, int fd, int command, ...) {
  return Controlled(real::fcntl, fd, command, FDAUDIT_FCNTL_ARGUMENT(command));
}
INTERPOSE("copies (F_DUPFD, F_DUPFD_CLOEXEC); sets close-on-exec (F_SETFD)", int, fcntl64, int fd, int command, ...) {
  return Controlled(real::fcntl64, fd, command, FDAUDIT_FCNTL_ARGUMENT(command));
}
INTERPOSE("copies (F_DUPFD, F_DUPFD_CLOEXEC); sets close-on-exec (F_SETFD)", int, __fcntl, int fd, int command, ...) {
  return Controlled(real::__fcntl, fd, command, FDAUDIT_FCNTL_ARGUMENT(command));
}
