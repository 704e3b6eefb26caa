// Uses of kernel objects: processes, watchers of mounts, requests of asynchronous I/O.

#include <aio.h>
#include <netinet/in.h>
#include <sys/fanotify.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <csignal>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/means.h"

// Declared only by newer headers, or by ones that clash with the kernel's.
extern "C" {
int pidfd_send_signal(int, int, siginfo_t*, unsigned int) noexcept;
int pidfd_getpid(int) noexcept;
ssize_t process_madvise(int, const iovec*, size_t, int, unsigned int) noexcept;
int process_mrelease(int, unsigned int) noexcept;
int fsconfig(int, unsigned int, const char*, const void*, int) noexcept;
int sockatmark(int) noexcept;
int bindresvport(int, sockaddr_in*) noexcept;
}

namespace fdaudit::shim {
namespace {

/// What is no such object is refused as if it were not open.
UsedNumbers Object(int fd) { return {fd, kNoDescriptor, false}; }

constexpr int kByDescriptor = 3;  // P_PIDFD; older headers lack it

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE(USES, int, pidfd_send_signal, int fd, int signal, siginfo_t* info, unsigned int flags) noexcept {
  return UsedAny(Object(fd), real::pidfd_send_signal, fd, signal, info, flags);
}
INTERPOSE(USES, int, pidfd_getpid, int fd) noexcept { return UsedAny(Object(fd), real::pidfd_getpid, fd); }
INTERPOSE(USES, ssize_t, process_madvise, int fd, const iovec* parts, size_t count, int advice, unsigned int flags)
noexcept {
  return UsedAny(Object(fd), real::process_madvise, fd, parts, count, advice, flags);
}
INTERPOSE(USES, int, process_mrelease, int fd, unsigned int flags) noexcept {
  return UsedAny(Object(fd), real::process_mrelease, fd, flags);
}
INTERPOSE(USES, int, waitid, idtype_t type, id_t id, siginfo_t* info, int options) {
  if (static_cast<int>(type) != kByDescriptor) return real::waitid(type, id, info, options);
  return UsedAny(Object(static_cast<int>(id)), real::waitid, type, id, info, options);
}
INTERPOSE(USES, int, fanotify_mark, int fd, unsigned int flags, uint64_t mask, int directory, const char* path)
noexcept {
  return UsedAny({fd, directory, false}, real::fanotify_mark, fd, flags, mask, directory, path);
}
INTERPOSE(USES, int, fsconfig, int fd, unsigned int command, const char* key, const void* value, int extra) noexcept {
  return UsedAny(Object(fd), real::fsconfig, fd, command, key, value, extra);
}
INTERPOSE(USES, int, sockatmark, int fd) noexcept { return Used(fd, real::sockatmark, fd); }
INTERPOSE(USES, int, bindresvport, int fd, sockaddr_in* address) noexcept {
  return Used(fd, real::bindresvport, fd, address);
}
INTERPOSE(USES, int, getsourcefilter, int fd, uint32_t interface, const sockaddr* group, socklen_t size, uint32_t* mode,
          uint32_t* count, sockaddr_storage* sources)
noexcept {
  return Used(fd, real::getsourcefilter, fd, interface, group, size, mode, count, sources);
}
INTERPOSE(USES, int, setsourcefilter, int fd, uint32_t interface, const sockaddr* group, socklen_t size, uint32_t mode,
          uint32_t count, const sockaddr_storage* sources)
noexcept {
  return Used(fd, real::setsourcefilter, fd, interface, group, size, mode, count, sources);
}
INTERPOSE(USES, int, getipv4sourcefilter, int fd, in_addr interface, in_addr group, uint32_t* mode, uint32_t* count,
          in_addr* sources)
noexcept {
  return Used(fd, real::getipv4sourcefilter, fd, interface, group, mode, count, sources);
}
INTERPOSE(USES, int, setipv4sourcefilter, int fd, in_addr interface, in_addr group, uint32_t mode, uint32_t count,
          const in_addr* sources)
noexcept {
  return Used(fd, real::setipv4sourcefilter, fd, interface, group, mode, count, sources);
}

// The request is carried out by a thread of libc's, and its error is asked for later. The program's own memory: libc
// has read it.
INTERPOSE("asks how a request ended" CHECKED, int, aio_error, const aiocb* request) noexcept {
  const int error = real::aio_error(request);
  if (__builtin_expect(error == EBADF, 0)) RecordBadUse(FDAUDIT_CALL_SITE(real::aio_error), {request->aio_fildes});
  return error;
}
INTERPOSE("asks how a request ended" CHECKED, int, aio_error64, const aiocb64* request) noexcept {
  const int error = real::aio_error64(request);
  if (__builtin_expect(error == EBADF, 0)) RecordBadUse(FDAUDIT_CALL_SITE(real::aio_error64), {request->aio_fildes});
  return error;
}
INTERPOSE(USES, int, aio_cancel, int fd, aiocb* request) noexcept { return Used(fd, real::aio_cancel, fd, request); }
INTERPOSE(USES, int, aio_cancel64, int fd, aiocb64* request) noexcept {
  return Used(fd, real::aio_cancel64, fd, request);
}
INTERPOSE(USES, int, aio_fsync, int operation, aiocb* request) noexcept {
  const int result = real::aio_fsync(operation, request);
  if (__builtin_expect(result == -1 && LastError() == EBADF, 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(real::aio_fsync), {request->aio_fildes});
  }
  return result;
}
INTERPOSE(USES, int, aio_fsync64, int operation, aiocb64* request) noexcept {
  const int result = real::aio_fsync64(operation, request);
  if (__builtin_expect(result == -1 && LastError() == EBADF, 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(real::aio_fsync64), {request->aio_fildes});
  }
  return result;
}
