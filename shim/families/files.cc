// Files and directories: what open(2), fopen(3) and opendir(3) get, and what fclose and closedir give back.

#include <dirent.h>
#include <fcntl.h>

#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "shim/events.h"
#include "shim/families/new_descriptors.h"

// What _FORTIFY_SOURCE turns open and openat into, and the names that libc keeps for old programs. Declared nowhere.
extern "C" {
int __open(const char*, int, ...);
int __open64(const char*, int, ...);
int __open_2(const char*, int);
int __open64_2(const char*, int);
int __openat_2(int, const char*, int);
int __openat64_2(int, const char*, int);
FILE* _IO_fopen(const char*, const char*);
FILE* _IO_fdopen(int, const char*);
int _IO_fclose(FILE*);
}

namespace fdaudit::shim {
namespace {

/// `mode` is fopen's; its 'e' asks for close-on-exec.
NewDescriptor NewStream(const char* path, const char* mode) {
  NewDescriptor what = NewFile(path, 0);
  what.flags |= trace::kOwnedByFile;
  if (mode != nullptr && strchr(mode, 'e') != nullptr) what.flags |= trace::kCloseOnExec;
  return what;
}

NewDescriptor NewDirectoryStream(const char* path) {
  NewDescriptor what = NewFile(path, O_DIRECTORY | O_CLOEXEC);
  what.flags |= trace::kOwnedByDir;
  return what;
}

/// The stream's descriptor; kNoDescriptor where it has none (fmemopen). fileno(3) sets errno then, which is not ours to
/// do.
int NumberOfStream(FILE* stream) {
  const int saved_errno = errno;
  const int fd = fileno_unlocked(stream);
  errno = saved_errno;
  return fd < 0 ? kNoDescriptor : fd;
}

int NumberOfDirectory(DIR* directory) { return directory == nullptr ? kNoDescriptor : dirfd(directory); }

/// freopen keeps the stream's number where it can: as dup2 does, without ever leaving it free.
template <typename Function>
__attribute__((always_inline)) inline FILE* Reopened(Function& function, const char* path, const char* mode,
                                                     FILE* stream) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int before = NumberOfStream(stream);
  FILE* result = function(path, mode, stream);
  RecordReopened(site, before, result == nullptr ? kNoDescriptor : NumberOfStream(result), NewStream(path, mode),
                 result);
  return result;
}

}  // namespace

// The last argument of a variadic open. Reading it where the caller gave none yields garbage, which the kernel ignores,
// as it does without us.
#define FDAUDIT_OPEN_MODE(last)                    \
  ({                                               \
    va_list arguments;                             \
    va_start(arguments, last);                     \
    const mode_t mode = va_arg(arguments, mode_t); \
    va_end(arguments);                             \
    mode;                                          \
  })

}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a file", int, open, const char* path, int flags, ...) {
  return Opened(NewFile(path, flags), real::open, path, flags, FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file", int, open64, const char* path, int flags, ...) {
  return Opened(NewFile(path, flags), real::open64, path, flags, FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file", int, __open, const char* path, int flags, ...) {
  return Opened(NewFile(path, flags), real::__open, path, flags, FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file", int, __open64, const char* path, int flags, ...) {
  return Opened(NewFile(path, flags), real::__open64, path, flags, FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file", int, __open_2, const char* path, int flags) {
  return Opened(NewFile(path, flags), real::__open_2, path, flags);
}
INTERPOSE("opens a file", int, __open64_2, const char* path, int flags) {
  return Opened(NewFile(path, flags), real::__open64_2, path, flags);
}
INTERPOSE("opens a file, relative to a directory", int, openat, int directory, const char* path, int flags, ...) {
  return Opened(NewFile(path, flags), real::openat, directory, path, flags, FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file, relative to a directory", int, openat64, int directory, const char* path, int flags, ...) {
  return Opened(NewFile(path, flags), real::openat64, directory, path, flags, FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file, relative to a directory", int, __openat_2, int directory, const char* path, int flags) {
  return Opened(NewFile(path, flags), real::__openat_2, directory, path, flags);
}
INTERPOSE("opens a file, relative to a directory", int, __openat64_2, int directory, const char* path, int flags) {
  return Opened(NewFile(path, flags), real::__openat64_2, directory, path, flags);
}
INTERPOSE("opens a file", int, creat, const char* path, mode_t mode) {
  return Opened(NewFile(path, 0), real::creat, path, mode);
}
INTERPOSE("opens a file", int, creat64, const char* path, mode_t mode) {
  return Opened(NewFile(path, 0), real::creat64, path, mode);
}

INTERPOSE("opens a stream, which owns its descriptor", FILE*, fopen, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, mode), NumberOfStream, real::fopen, path, mode);
}
INTERPOSE("opens a stream, which owns its descriptor", FILE*, fopen64, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, mode), NumberOfStream, real::fopen64, path, mode);
}
INTERPOSE("opens a stream, which owns its descriptor", FILE*, _IO_fopen, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, mode), NumberOfStream, real::_IO_fopen, path, mode);
}
INTERPOSE("makes a stream the descriptor's owner", FILE*, fdopen, int fd, const char* mode) noexcept {
  return Adopted<FILE>(fd, fdaudit::trace::kOwnedByFile, real::fdopen, fd, mode);
}
INTERPOSE("makes a stream the descriptor's owner", FILE*, _IO_fdopen, int fd, const char* mode) {
  return Adopted<FILE>(fd, fdaudit::trace::kOwnedByFile, real::_IO_fdopen, fd, mode);
}
INTERPOSE("lets a stream refer to another file", FILE*, freopen, const char* path, const char* mode, FILE* stream) {
  return Reopened(real::freopen, path, mode, stream);
}
INTERPOSE("lets a stream refer to another file", FILE*, freopen64, const char* path, const char* mode, FILE* stream) {
  return Reopened(real::freopen64, path, mode, stream);
}
INTERPOSE("closes a stream's descriptor", int, fclose, FILE* stream) {
  return ClosedOwner(NumberOfStream(stream), real::fclose, stream);
}
INTERPOSE("closes a stream's descriptor", int, _IO_fclose, FILE* stream) {
  return ClosedOwner(NumberOfStream(stream), real::_IO_fclose, stream);
}

INTERPOSE("opens a directory stream, which owns its descriptor", DIR*, opendir, const char* path) {
  return OpenedOwner<DIR>(NewDirectoryStream(path), NumberOfDirectory, real::opendir, path);
}
INTERPOSE("makes a directory stream the descriptor's owner", DIR*, fdopendir, int fd) {
  return Adopted<DIR>(fd, fdaudit::trace::kOwnedByDir, real::fdopendir, fd);
}
INTERPOSE("closes a directory stream's descriptor", int, closedir, DIR* directory) {
  return Closed(NumberOfDirectory(directory), real::closedir, directory);
}
