// Calls that begin in a directory, by its descriptor: the *at functions. Where the path is absolute, the kernel does
// not look at the number at all. An empty path with AT_EMPTY_PATH means what the number itself stands for: fstatat and
// its like ask about it then, as fstat does.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>

#include "shim/events/events.h"
#include "shim/families/means.h"

// Names that libc keeps for old programs, what _FORTIFY_SOURCE makes of others, and what only newer headers declare.
extern "C" {
int __fxstatat(int, int, const char*, struct stat*, int) noexcept;
int __fxstatat64(int, int, const char*, struct stat64*, int) noexcept;
int __xmknodat(int, int, const char*, mode_t, dev_t*) noexcept;
ssize_t __readlinkat_chk(int, const char*, char*, size_t, size_t) noexcept;
int move_mount(int, const char*, int, const char*, unsigned int) noexcept;
int mount_setattr(int, const char*, unsigned int, struct mount_attr*, size_t) noexcept;
}

namespace fdaudit::shim {
namespace {

/// Directories are used whatever they are open for.
UsedNumbers Directory(int fd) { return {fd, kNoDescriptor, false}; }
UsedNumbers Directories(int from, int to) { return {from, to, false}; }

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

/// Asks about the descriptor itself where it takes no path.
#define FDAUDIT_ABOUT_PATH(flags, function, directory, ...)                             \
  (((flags)&AT_EMPTY_PATH) != 0 ? real::function((directory)__VA_OPT__(, ) __VA_ARGS__) \
                                : UsedAny(Directory(directory), real::function, directory __VA_OPT__(, ) __VA_ARGS__))

INTERPOSE(FROM_DIRECTORY, int, fstatat, int directory, const char* path, struct stat* out, int flags) noexcept {
  return FDAUDIT_ABOUT_PATH(flags, fstatat, directory, path, out, flags);
}
INTERPOSE(FROM_DIRECTORY, int, fstatat64, int directory, const char* path, struct stat64* out, int flags) noexcept {
  return FDAUDIT_ABOUT_PATH(flags, fstatat64, directory, path, out, flags);
}
INTERPOSE(FROM_DIRECTORY, int, __fxstatat, int version, int directory, const char* path, struct stat* out, int flags)
noexcept {
  if ((flags & AT_EMPTY_PATH) != 0) return real::__fxstatat(version, directory, path, out, flags);
  return UsedAny(Directory(directory), real::__fxstatat, version, directory, path, out, flags);
}
INTERPOSE(FROM_DIRECTORY, int, __fxstatat64, int version, int directory, const char* path, struct stat64* out,
          int flags)
noexcept {
  if ((flags & AT_EMPTY_PATH) != 0) return real::__fxstatat64(version, directory, path, out, flags);
  return UsedAny(Directory(directory), real::__fxstatat64, version, directory, path, out, flags);
}
INTERPOSE(FROM_DIRECTORY, int, statx, int directory, const char* path, int flags, unsigned int mask, struct statx* out)
noexcept {
  return FDAUDIT_ABOUT_PATH(flags, statx, directory, path, flags, mask, out);
}
INTERPOSE(FROM_DIRECTORY, int, faccessat, int directory, const char* path, int mode, int flags) noexcept {
  return FDAUDIT_ABOUT_PATH(flags, faccessat, directory, path, mode, flags);
}
INTERPOSE(FROM_DIRECTORY, int, unlinkat, int directory, const char* path, int flags) noexcept {
  return UsedAny(Directory(directory), real::unlinkat, directory, path, flags);
}
INTERPOSE(FROM_DIRECTORY, int, mkdirat, int directory, const char* path, mode_t mode) noexcept {
  return UsedAny(Directory(directory), real::mkdirat, directory, path, mode);
}
INTERPOSE(FROM_DIRECTORY, int, mkfifoat, int directory, const char* path, mode_t mode) noexcept {
  return UsedAny(Directory(directory), real::mkfifoat, directory, path, mode);
}
INTERPOSE(FROM_DIRECTORY, int, mknodat, int directory, const char* path, mode_t mode, dev_t device) noexcept {
  return UsedAny(Directory(directory), real::mknodat, directory, path, mode, device);
}
INTERPOSE(FROM_DIRECTORY, int, __xmknodat, int version, int directory, const char* path, mode_t mode, dev_t* device)
noexcept {
  return UsedAny(Directory(directory), real::__xmknodat, version, directory, path, mode, device);
}
INTERPOSE(FROM_DIRECTORY, int, renameat, int from, const char* path, int to, const char* name) noexcept {
  return UsedAny(Directories(from, to), real::renameat, from, path, to, name);
}
INTERPOSE(FROM_DIRECTORY, int, renameat2, int from, const char* path, int to, const char* name, unsigned int flags)
noexcept {
  return UsedAny(Directories(from, to), real::renameat2, from, path, to, name, flags);
}
INTERPOSE(FROM_DIRECTORY, int, linkat, int from, const char* path, int to, const char* name, int flags) noexcept {
  return UsedAny(Directories(from, to), real::linkat, from, path, to, name, flags);
}
INTERPOSE(FROM_DIRECTORY, int, symlinkat, const char* target, int directory, const char* path) noexcept {
  return UsedAny(Directory(directory), real::symlinkat, target, directory, path);
}
INTERPOSE(FROM_DIRECTORY, ssize_t, readlinkat, int directory, const char* path, char* buffer, size_t size) noexcept {
  return UsedAny(Directory(directory), real::readlinkat, directory, path, buffer, size);
}
INTERPOSE(FROM_DIRECTORY, ssize_t, __readlinkat_chk, int directory, const char* path, char* buffer, size_t size,
          size_t room)
noexcept {
  return UsedAny(Directory(directory), real::__readlinkat_chk, directory, path, buffer, size, room);
}
INTERPOSE(FROM_DIRECTORY, int, fchmodat, int directory, const char* path, mode_t mode, int flags) noexcept {
  return UsedAny(Directory(directory), real::fchmodat, directory, path, mode, flags);
}
INTERPOSE(FROM_DIRECTORY, int, fchownat, int directory, const char* path, uid_t owner, gid_t group, int flags)
noexcept {
  return UsedAny(Directory(directory), real::fchownat, directory, path, owner, group, flags);
}
INTERPOSE(FROM_DIRECTORY, int, utimensat, int directory, const char* path, const timespec* times, int flags) noexcept {
  return UsedAny(Directory(directory), real::utimensat, directory, path, times, flags);
}
INTERPOSE(FROM_DIRECTORY, int, futimesat, int directory, const char* path, const timeval* times) noexcept {
  return UsedAny(Directory(directory), real::futimesat, directory, path, times);
}
INTERPOSE(FROM_DIRECTORY, int, name_to_handle_at, int directory, const char* path, file_handle* handle, int* mount,
          int flags)
noexcept {
  return UsedAny(Directory(directory), real::name_to_handle_at, directory, path, handle, mount, flags);
}
INTERPOSE(FROM_DIRECTORY, int, move_mount, int from, const char* path, int to, const char* name, unsigned int flags)
noexcept {
  return UsedAny(Directories(from, to), real::move_mount, from, path, to, name, flags);
}
INTERPOSE(FROM_DIRECTORY, int, mount_setattr, int directory, const char* path, unsigned int flags,
          struct mount_attr* attributes, size_t size)
noexcept {
  return UsedAny(Directory(directory), real::mount_setattr, directory, path, flags, attributes, size);
}

// libc reads the directory through a stream of its own, which it opens and closes again inside of it.
INTERPOSE(FROM_DIRECTORY, int, scandirat, int directory, const char* path, dirent*** list, int (*chosen)(const dirent*),
          int (*compare)(const dirent**, const dirent**)) {
  return UsedAny(Directory(directory), real::scandirat, directory, path, list, chosen, compare);
}
INTERPOSE(FROM_DIRECTORY, int, scandirat64, int directory, const char* path, dirent64*** list,
          int (*chosen)(const dirent64*), int (*compare)(const dirent64**, const dirent64**)) {
  return UsedAny(Directory(directory), real::scandirat64, directory, path, list, chosen, compare);
}
