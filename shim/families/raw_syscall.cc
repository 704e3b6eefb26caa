// syscall(2): the system calls that open, copy and close, made by number. libuv closes this way, to be no cancellation
// point.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>

#include "shim/events.h"
#include "shim/process.h"

namespace fdaudit::shim {
namespace {

using trace::FdKind;

struct RawArguments {
  long values[6];
};

NewDescriptor Opens(FdKind kind, bool close_on_exec) {
  NewDescriptor what;
  what.kind = kind;
  if (close_on_exec) what.flags |= trace::kCloseOnExec;
  return what;
}

NewDescriptor OpensFile(long path, long flags) {
  NewDescriptor what = Opens((flags & O_DIRECTORY) != 0 ? FdKind::kDirectory : FdKind::kFile, (flags & O_CLOEXEC) != 0);
  what.target = reinterpret_cast<const char*>(path);
  return what;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposer below is the global namespace's

INTERPOSE("makes a system call by number: any of the above", long, syscall, long number, ...) noexcept {
  RawArguments a;
  va_list arguments;
  va_start(arguments, number);
  for (long& value : a.values) value = va_arg(arguments, long);
  va_end(arguments);
  const auto [v0, v1, v2, v3, v4, v5] = a.values;
  const auto fd = static_cast<int>(v0);
  auto& real_syscall = real::syscall;
  using fdaudit::trace::FdKind;
  switch (number) {
    case SYS_seccomp:
      EnterSeccomp();
      break;
    case SYS_close:
      return Closed(fd, real_syscall, number, v0);
    case SYS_openat:
      return Opened(OpensFile(v1, v2), real_syscall, number, v0, v1, v2, v3);
    case SYS_socket:
      return Opened(Opens(FdKind::kSocket, (v1 & SOCK_CLOEXEC) != 0), real_syscall, number, v0, v1, v2);
    case SYS_accept:
      return Opened(Opens(FdKind::kSocket, false), real_syscall, number, v0, v1, v2);
    case SYS_accept4:
      return Opened(Opens(FdKind::kSocket, (v3 & SOCK_CLOEXEC) != 0), real_syscall, number, v0, v1, v2, v3);
    case SYS_pipe2:
      return OpenedPair(Opens(FdKind::kPipe, (v1 & O_CLOEXEC) != 0), reinterpret_cast<int*>(v0), real_syscall, number,
                        v0, v1);
    case SYS_dup:
      return Duplicated(fd, 0, Placement::kLowest, real_syscall, number, v0);
    case SYS_dup3:
      return Duplicated(fd, (v2 & O_CLOEXEC) != 0 ? fdaudit::trace::kCloseOnExec : 0, Placement::kExactly, real_syscall,
                        number, v0, v1, v2);
#ifdef SYS_open
    case SYS_open:
      return Opened(OpensFile(v0, v1), real_syscall, number, v0, v1, v2);
#endif
#ifdef SYS_dup2
    case SYS_dup2:
      if (v0 == v1) break;
      return Duplicated(fd, 0, Placement::kExactly, real_syscall, number, v0, v1);
#endif
    default:
      break;
  }
  return real::syscall(number, v0, v1, v2, v3, v4, v5);
}
