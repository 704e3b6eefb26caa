// Uses of what open(2) gives, beside reading and writing (uses.cc): metadata, file systems, names.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/means.h"

extern "C" {
// What _FORTIFY_SOURCE makes of dprintf.
int __dprintf_chk(int, int, const char*, ...);
int __vdprintf_chk(int, int, const char*, va_list);
// Older headers lack it.
int setns(int, int) noexcept;
ssize_t getdirentries(int, char*, size_t, off_t*) noexcept;
ssize_t getdirentries64(int, char*, size_t, off64_t*) noexcept;
}

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE(USES, int, fstatfs, int fd, struct statfs* out) noexcept { return Used(fd, real::fstatfs, fd, out); }
INTERPOSE(USES, int, fstatfs64, int fd, struct statfs64* out) noexcept { return Used(fd, real::fstatfs64, fd, out); }
INTERPOSE(USES, int, fstatvfs, int fd, struct statvfs* out) noexcept { return Used(fd, real::fstatvfs, fd, out); }
INTERPOSE(USES, int, fstatvfs64, int fd, struct statvfs64* out) noexcept { return Used(fd, real::fstatvfs64, fd, out); }
INTERPOSE(USES, long, fpathconf, int fd, int name) noexcept { return Used(fd, real::fpathconf, fd, name); }
INTERPOSE(USES, int, futimes, int fd, const timeval* times) noexcept { return Used(fd, real::futimes, fd, times); }
INTERPOSE(USES, int, setns, int fd, int type) noexcept {
  return UsedAny({fd, kNoDescriptor, false}, real::setns, fd, type);
}
INTERPOSE(READS, ssize_t, getdirentries, int fd, char* buffer, size_t size, off_t* base) noexcept {
  return Used(fd, real::getdirentries, fd, buffer, size, base);
}
INTERPOSE(READS, ssize_t, getdirentries64, int fd, char* buffer, size_t size, off64_t* base) noexcept {
  return Used(fd, real::getdirentries64, fd, buffer, size, base);
}

INTERPOSE(WRITES, int, vdprintf, int fd, const char* format, va_list arguments) {
  return Used(fd, real::vdprintf, fd, format, arguments);
}
INTERPOSE(WRITES, int, __vdprintf_chk, int fd, int flag, const char* format, va_list arguments) {
  return Used(fd, real::__vdprintf_chk, fd, flag, format, arguments);
}

// The arguments as a list, which is what libc itself makes of them. The rows name the function that was called.
#define FDAUDIT_PRINTED(name, list_function, last, ...)                                                              \
  va_list arguments;                                                                                                 \
  va_start(arguments, last);                                                                                         \
  const int printed = real::list_function(__VA_ARGS__, arguments);                                                   \
  va_end(arguments);                                                                                                 \
  if (__builtin_expect(printed == -1 && LastError() == EBADF, 0)) RecordBadUse(FDAUDIT_CALL_SITE(real::name), {fd}); \
  return printed

INTERPOSE(WRITES, int, dprintf, int fd, const char* format, ...) {
  FDAUDIT_PRINTED(dprintf, vdprintf, format, fd, format);
}
INTERPOSE(WRITES, int, __dprintf_chk, int fd, int flag, const char* format, ...) {
  FDAUDIT_PRINTED(__dprintf_chk, __vdprintf_chk, format, fd, flag, format);
}
