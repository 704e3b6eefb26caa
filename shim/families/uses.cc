// Uses of a descriptor: reading, writing and the like. They change nothing in the ledger, and their recording costs a
// comparison: only a call that failed with EBADF is looked at, and reported where the number had been closed before.
//
// Not here, because programs call them to learn whether a number is open: fstat, isatty, dup, fcntl's F_GETFD, F_GETFL
// and F_SETFD; and of the functions below lseek(fd, 0, SEEK_CUR), transfers of no bytes, the ioctls of isatty and
// the like.

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <termios.h>
#include <unistd.h>

#include <cstdarg>

#include "shim/base/raw_io.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/ioctl_opens.h"
#include "shim/families/means.h"
#include "shim/ledger/pipe_watch.h"

// Names that libc keeps for old programs and what _FORTIFY_SOURCE makes of others.
extern "C" {
ssize_t __read(int, void*, size_t);
ssize_t __write(int, const void*, size_t);
ssize_t __pread64(int, void*, size_t, off64_t);
ssize_t __pwrite64(int, const void*, size_t, off64_t);
off_t __lseek(int, off_t, int) noexcept;
ssize_t __send(int, const void*, size_t, int);
ssize_t __read_chk(int, void*, size_t, size_t);
ssize_t __pread_chk(int, void*, size_t, off_t, size_t);
ssize_t __pread64_chk(int, void*, size_t, off64_t, size_t);
ssize_t __recv_chk(int, void*, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void*, size_t, size_t, int, sockaddr*, socklen_t*);
}

namespace fdaudit::shim {
namespace {

/// A call that moves `size` bytes; moving none is a question.
template <typename Function, typename... A>
__attribute__((always_inline)) inline ssize_t Moved(int fd, size_t size, Function& function, A... arguments) {
  return size == 0 ? function(arguments...) : Used(fd, function, arguments...);
}

/// The same for calls that may block.
template <typename Function, typename... A>
__attribute__((always_inline)) inline ssize_t Waited(int fd, size_t size, Function& function, A... arguments) {
  FDAUDIT_INSIDE(function, fd);
  return Moved(fd, size, function, arguments...);
}

/// A call that moves from one to another, which may be a pipe.
template <typename Function, typename... A>
__attribute__((always_inline)) inline ssize_t MovedTo(int to, int from, Function& function, A... arguments) {
  const ssize_t result = UsedBoth(from, to, function, arguments...);
  if (__builtin_expect(result > 0 && IsWatchedPipe(to), 0)) RecordPipeWritten(to);
  return result;
}

/// The same for calls that may wait for what others write into a pipe. Nothing between the mark and the system call.
template <typename Function, typename... A>
__attribute__((always_inline)) inline ssize_t ReadIn(int fd, size_t size, Function& function, A... arguments) {
  if (__builtin_expect(!IsWatchedPipe(fd), 1)) return Waited(fd, size, function, arguments...);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const bool noted = RecordPipeReading(site.caller, site.call, site.began, fd);
  const ssize_t result = Waited(fd, size, function, arguments...);
  if (noted) RecordPipeRead(fd, site.began, result > 0);
  return result;
}

template <typename Function, typename... A>
__attribute__((always_inline)) inline ssize_t Wrote(int fd, size_t size, Function& function, A... arguments) {
  const ssize_t result = Waited(fd, size, function, arguments...);
  if (__builtin_expect(result > 0 && IsWatchedPipe(fd), 0)) RecordPipeWritten(fd);
  return result;
}

template <typename Function>
__attribute__((always_inline)) inline off64_t Sought(int fd, off64_t offset, int whence, Function& function) {
  return offset == 0 && whence == SEEK_CUR ? function(fd, offset, whence) : Used(fd, function, fd, offset, whence);
}

/// What isatty and its like ask, and what fcntl(F_SETFD) does.
bool Asks(unsigned long request) {
  return request == TCGETS || request == TIOCGWINSZ || request == TIOCGPGRP || request == TIOCGSID ||
         request == FIOCLEX || request == FIONCLEX;
}

/// An allocator maps memory before the shim has started, when dlsym would have to be asked: that calls the allocator.
template <typename Function>
__attribute__((always_inline)) inline void* Mapped(Function& function, void* address, size_t size, int protection,
                                                   int flags, int fd, off64_t offset) {
  if ((flags & MAP_ANONYMOUS) == 0) return Used(fd, function, address, size, protection, flags, fd, offset);
  if (function.Known()) return function(address, size, protection, flags, fd, offset);
  const long result = raw::Call(SYS_mmap, raw::Address(address), size, protection, flags, fd, offset);
  if (result >= 0 || result < -4095) return reinterpret_cast<void*>(result);
  SetLastError(static_cast<int>(-result));
  return MAP_FAILED;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE(READS, ssize_t, read, int fd, void* buffer, size_t size) {
  return ReadIn(fd, size, real::read, fd, buffer, size);
}
INTERPOSE(READS, ssize_t, __read, int fd, void* buffer, size_t size) {
  return ReadIn(fd, size, real::__read, fd, buffer, size);
}
INTERPOSE(READS, ssize_t, __read_chk, int fd, void* buffer, size_t size, size_t room) {
  return ReadIn(fd, size, real::__read_chk, fd, buffer, size, room);
}
INTERPOSE(READS, ssize_t, pread, int fd, void* buffer, size_t size, off_t offset) {
  return Moved(fd, size, real::pread, fd, buffer, size, offset);
}
INTERPOSE(READS, ssize_t, pread64, int fd, void* buffer, size_t size, off64_t offset) {
  return Moved(fd, size, real::pread64, fd, buffer, size, offset);
}
INTERPOSE(READS, ssize_t, __pread64, int fd, void* buffer, size_t size, off64_t offset) {
  return Moved(fd, size, real::__pread64, fd, buffer, size, offset);
}
INTERPOSE(READS, ssize_t, __pread_chk, int fd, void* buffer, size_t size, off_t offset, size_t room) {
  return Moved(fd, size, real::__pread_chk, fd, buffer, size, offset, room);
}
INTERPOSE(READS, ssize_t, __pread64_chk, int fd, void* buffer, size_t size, off64_t offset, size_t room) {
  return Moved(fd, size, real::__pread64_chk, fd, buffer, size, offset, room);
}
INTERPOSE(READS, ssize_t, readv, int fd, const iovec* parts, int count) {
  return ReadIn(fd, static_cast<size_t>(count), real::readv, fd, parts, count);
}
INTERPOSE(READS, ssize_t, preadv, int fd, const iovec* parts, int count, off_t offset) {
  return Moved(fd, static_cast<size_t>(count), real::preadv, fd, parts, count, offset);
}
INTERPOSE(READS, ssize_t, preadv64, int fd, const iovec* parts, int count, off64_t offset) {
  return Moved(fd, static_cast<size_t>(count), real::preadv64, fd, parts, count, offset);
}
INTERPOSE(READS, ssize_t, preadv2, int fd, const iovec* parts, int count, off_t offset, int flags) {
  return Moved(fd, static_cast<size_t>(count), real::preadv2, fd, parts, count, offset, flags);
}
INTERPOSE(READS, ssize_t, preadv64v2, int fd, const iovec* parts, int count, off64_t offset, int flags) {
  return Moved(fd, static_cast<size_t>(count), real::preadv64v2, fd, parts, count, offset, flags);
}
INTERPOSE(READS, ssize_t, recv, int fd, void* buffer, size_t size, int flags) {
  return Waited(fd, size, real::recv, fd, buffer, size, flags);
}
INTERPOSE(READS, ssize_t, __recv_chk, int fd, void* buffer, size_t size, size_t room, int flags) {
  return Waited(fd, size, real::__recv_chk, fd, buffer, size, room, flags);
}
INTERPOSE(READS, ssize_t, recvfrom, int fd, void* buffer, size_t size, int flags, sockaddr* address,
          socklen_t* length) {
  return Waited(fd, size, real::recvfrom, fd, buffer, size, flags, address, length);
}
INTERPOSE(READS, ssize_t, __recvfrom_chk, int fd, void* buffer, size_t size, size_t room, int flags, sockaddr* address,
          socklen_t* length) {
  return Waited(fd, size, real::__recvfrom_chk, fd, buffer, size, room, flags, address, length);
}
INTERPOSE(READS, ssize_t, getdents64, int fd, void* buffer, size_t size) noexcept {
  return Moved(fd, size, real::getdents64, fd, buffer, size);
}
INTERPOSE(READS, int, eventfd_read, int fd, eventfd_t* value) { return Used(fd, real::eventfd_read, fd, value); }
INTERPOSE(READS, ssize_t, readahead, int fd, off64_t offset, size_t size) noexcept {
  return Used(fd, real::readahead, fd, offset, size);
}
INTERPOSE(WRITES, ssize_t, write, int fd, const void* buffer, size_t size) {
  return Wrote(fd, size, real::write, fd, buffer, size);
}
INTERPOSE(WRITES, ssize_t, __write, int fd, const void* buffer, size_t size) {
  return Wrote(fd, size, real::__write, fd, buffer, size);
}
INTERPOSE(WRITES, ssize_t, pwrite, int fd, const void* buffer, size_t size, off_t offset) {
  return Moved(fd, size, real::pwrite, fd, buffer, size, offset);
}
INTERPOSE(WRITES, ssize_t, pwrite64, int fd, const void* buffer, size_t size, off64_t offset) {
  return Moved(fd, size, real::pwrite64, fd, buffer, size, offset);
}
INTERPOSE(WRITES, ssize_t, __pwrite64, int fd, const void* buffer, size_t size, off64_t offset) {
  return Moved(fd, size, real::__pwrite64, fd, buffer, size, offset);
}
INTERPOSE(WRITES, ssize_t, writev, int fd, const iovec* parts, int count) {
  return Wrote(fd, static_cast<size_t>(count), real::writev, fd, parts, count);
}
INTERPOSE(WRITES, ssize_t, pwritev, int fd, const iovec* parts, int count, off_t offset) {
  return Moved(fd, static_cast<size_t>(count), real::pwritev, fd, parts, count, offset);
}
INTERPOSE(WRITES, ssize_t, pwritev64, int fd, const iovec* parts, int count, off64_t offset) {
  return Moved(fd, static_cast<size_t>(count), real::pwritev64, fd, parts, count, offset);
}
INTERPOSE(WRITES, ssize_t, pwritev2, int fd, const iovec* parts, int count, off_t offset, int flags) {
  return Moved(fd, static_cast<size_t>(count), real::pwritev2, fd, parts, count, offset, flags);
}
INTERPOSE(WRITES, ssize_t, pwritev64v2, int fd, const iovec* parts, int count, off64_t offset, int flags) {
  return Moved(fd, static_cast<size_t>(count), real::pwritev64v2, fd, parts, count, offset, flags);
}
INTERPOSE(WRITES, ssize_t, send, int fd, const void* buffer, size_t size, int flags) {
  return Waited(fd, size, real::send, fd, buffer, size, flags);
}
INTERPOSE(WRITES, ssize_t, __send, int fd, const void* buffer, size_t size, int flags) {
  return Waited(fd, size, real::__send, fd, buffer, size, flags);
}
INTERPOSE(WRITES, ssize_t, sendto, int fd, const void* buffer, size_t size, int flags, const sockaddr* address,
          socklen_t length) {
  return Waited(fd, size, real::sendto, fd, buffer, size, flags, address, length);
}
INTERPOSE(WRITES, ssize_t, sendmsg, int fd, const msghdr* message, int flags) {
  return Sent(fd, message, real::sendmsg, fd, message, flags);
}
INTERPOSE(WRITES, int, sendmmsg, int fd, mmsghdr* messages, unsigned int count, int flags) {
  return Sent(fd, &messages->msg_hdr, real::sendmmsg, fd, messages, count, flags);
}
INTERPOSE(WRITES, int, eventfd_write, int fd, eventfd_t value) { return Used(fd, real::eventfd_write, fd, value); }
INTERPOSE(WRITES, int, fsync, int fd) { return Used(fd, real::fsync, fd); }
INTERPOSE(WRITES, int, fdatasync, int fd) { return Used(fd, real::fdatasync, fd); }
INTERPOSE(WRITES, int, syncfs, int fd) noexcept { return Used(fd, real::syncfs, fd); }
INTERPOSE(WRITES, int, sync_file_range, int fd, off64_t offset, off64_t size, unsigned int flags) {
  return Used(fd, real::sync_file_range, fd, offset, size, flags);
}
INTERPOSE(WRITES, int, ftruncate, int fd, off_t size) noexcept { return Used(fd, real::ftruncate, fd, size); }
INTERPOSE(WRITES, int, ftruncate64, int fd, off64_t size) noexcept { return Used(fd, real::ftruncate64, fd, size); }
INTERPOSE(WRITES, int, fallocate, int fd, int mode, off_t offset, off_t size) {
  return Used(fd, real::fallocate, fd, mode, offset, size);
}
INTERPOSE(WRITES, int, fallocate64, int fd, int mode, off64_t offset, off64_t size) {
  return Used(fd, real::fallocate64, fd, mode, offset, size);
}
INTERPOSE(WRITES, int, posix_fallocate, int fd, off_t offset, off_t size) {
  return UsedForError(fd, real::posix_fallocate, fd, offset, size);
}
INTERPOSE(WRITES, int, posix_fallocate64, int fd, off64_t offset, off64_t size) {
  return UsedForError(fd, real::posix_fallocate64, fd, offset, size);
}
INTERPOSE(WRITES, ssize_t, sendfile, int to, int from, off_t* offset, size_t size) noexcept {
  return MovedTo(to, from, real::sendfile, to, from, offset, size);
}
INTERPOSE(WRITES, ssize_t, sendfile64, int to, int from, off64_t* offset, size_t size) noexcept {
  return MovedTo(to, from, real::sendfile64, to, from, offset, size);
}
INTERPOSE(WRITES, ssize_t, splice, int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
          unsigned int flags) {
  return MovedTo(to, from, real::splice, from, from_offset, to, to_offset, size, flags);
}
INTERPOSE(WRITES, ssize_t, tee, int from, int to, size_t size, unsigned int flags) {
  return MovedTo(to, from, real::tee, from, to, size, flags);
}
INTERPOSE(WRITES, ssize_t, vmsplice, int fd, const iovec* parts, size_t count, unsigned int flags) {
  return Wrote(fd, count, real::vmsplice, fd, parts, count, flags);
}
INTERPOSE(WRITES, ssize_t, copy_file_range, int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
          unsigned int flags) {
  return UsedBoth(from, to, real::copy_file_range, from, from_offset, to, to_offset, size, flags);
}
INTERPOSE(USES, off_t, lseek, int fd, off_t offset, int whence) noexcept {
  return Sought(fd, offset, whence, real::lseek);
}
INTERPOSE(USES, off64_t, lseek64, int fd, off64_t offset, int whence) noexcept {
  return Sought(fd, offset, whence, real::lseek64);
}
INTERPOSE(USES, off_t, __lseek, int fd, off_t offset, int whence) noexcept {
  return Sought(fd, offset, whence, real::__lseek);
}
INTERPOSE(USES, void*, mmap, void* address, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  return Mapped(real::mmap, address, size, protection, flags, fd, offset);
}
INTERPOSE(USES, void*, mmap64, void* address, size_t size, int protection, int flags, int fd, off64_t offset) noexcept {
  return Mapped(real::mmap64, address, size, protection, flags, fd, offset);
}
INTERPOSE(USES, int, posix_fadvise, int fd, off_t offset, off_t size, int advice) noexcept {
  return UsedForError(fd, real::posix_fadvise, fd, offset, size, advice);
}
INTERPOSE(USES, int, posix_fadvise64, int fd, off64_t offset, off64_t size, int advice) noexcept {
  return UsedForError(fd, real::posix_fadvise64, fd, offset, size, advice);
}
INTERPOSE(USES, int, flock, int fd, int operation) noexcept { return Used(fd, real::flock, fd, operation); }
INTERPOSE(USES, int, lockf, int fd, int command, off_t size) { return Used(fd, real::lockf, fd, command, size); }
INTERPOSE(USES, int, lockf64, int fd, int command, off64_t size) { return Used(fd, real::lockf64, fd, command, size); }
INTERPOSE(USES, int, fchmod, int fd, mode_t mode) noexcept { return Used(fd, real::fchmod, fd, mode); }
INTERPOSE(USES, int, fchown, int fd, uid_t owner, gid_t group) noexcept {
  return Used(fd, real::fchown, fd, owner, group);
}
INTERPOSE(USES, int, fchdir, int fd) noexcept { return Used(fd, real::fchdir, fd); }
INTERPOSE(USES, int, futimens, int fd, const timespec* times) noexcept { return Used(fd, real::futimens, fd, times); }
INTERPOSE(USES, ssize_t, fgetxattr, int fd, const char* name, void* value, size_t size) noexcept {
  return Used(fd, real::fgetxattr, fd, name, value, size);
}
INTERPOSE(USES, int, fsetxattr, int fd, const char* name, const void* value, size_t size, int flags) noexcept {
  return Used(fd, real::fsetxattr, fd, name, value, size, flags);
}
INTERPOSE(USES, ssize_t, flistxattr, int fd, char* list, size_t size) noexcept {
  return Used(fd, real::flistxattr, fd, list, size);
}
INTERPOSE(USES, int, fremovexattr, int fd, const char* name) noexcept { return Used(fd, real::fremovexattr, fd, name); }
INTERPOSE(USES, int, tcsetattr, int fd, int when, const termios* settings) noexcept {
  return Used(fd, real::tcsetattr, fd, when, settings);
}
INTERPOSE(USES, int, shutdown, int fd, int how) noexcept { return Used(fd, real::shutdown, fd, how); }
INTERPOSE(USES, int, setsockopt, int fd, int level, int name, const void* value, socklen_t size) noexcept {
  return Used(fd, real::setsockopt, fd, level, name, value, size);
}
INTERPOSE(USES, int, getsockname, int fd, sockaddr* address, socklen_t* size) noexcept {
  return Used(fd, real::getsockname, fd, address, size);
}
INTERPOSE(USES, int, getpeername, int fd, sockaddr* address, socklen_t* size) noexcept {
  return Used(fd, real::getpeername, fd, address, size);
}
INTERPOSE(USES, int, epoll_wait, int fd, epoll_event* events, int count, int timeout) {
  return Used(fd, real::epoll_wait, fd, events, count, timeout);
}
INTERPOSE(USES, int, epoll_pwait, int fd, epoll_event* events, int count, int timeout, const sigset_t* mask) {
  return Used(fd, real::epoll_pwait, fd, events, count, timeout, mask);
}
INTERPOSE(USES, int, epoll_pwait2, int fd, epoll_event* events, int count, const timespec* timeout,
          const sigset_t* mask) {
  return Used(fd, real::epoll_pwait2, fd, events, count, timeout, mask);
}
INTERPOSE(USES, int, timerfd_settime, int fd, int flags, const itimerspec* value, itimerspec* old) noexcept {
  return Used(fd, real::timerfd_settime, fd, flags, value, old);
}
INTERPOSE(USES, int, timerfd_gettime, int fd, itimerspec* value) noexcept {
  return Used(fd, real::timerfd_gettime, fd, value);
}
INTERPOSE(USES, int, inotify_add_watch, int fd, const char* path, uint32_t mask) noexcept {
  return Used(fd, real::inotify_add_watch, fd, path, mask);
}
INTERPOSE(USES, int, inotify_rm_watch, int fd, int watch) noexcept {
  return Used(fd, real::inotify_rm_watch, fd, watch);
}

INTERPOSE("uses; a finding where the number was closed. Opens by some requests (namespaces, devices)", int, ioctl,
          int fd, unsigned long request, ...)
noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (Asks(request)) return real::ioctl(fd, request, argument);
  if (const int place = PlaceOfNumber(request); __builtin_expect(place != kNoNumber, 0)) {
    return OpenedByRequest(fd, place, argument, real::ioctl, fd, request, argument);
  }
  return Used(fd, real::ioctl, fd, request, argument);
}
