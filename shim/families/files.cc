// Files: what open(2) and the like get, by a name, a template for a name, or a handle.

#include <fcntl.h>

#include <cstdarg>
#include <cstdlib>

#include "shim/base/raw_io.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/families/new_descriptors.h"

struct open_how;  // <linux/openat2.h>

// What _FORTIFY_SOURCE turns open and openat into, the names that libc keeps for old programs, and what this one may be
// too old to declare.
extern "C" {
int __open(const char*, int, ...);
int __open64(const char*, int, ...);
int __open_2(const char*, int);
int __open64_2(const char*, int);
int __openat_2(int, const char*, int);
int __openat64_2(int, const char*, int);
int openat2(int, const char*, const open_how*, size_t);
}

namespace fdaudit::shim {

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
INTERPOSE("opens a file, relative to a directory" CHECKED, int, openat, int directory, const char* path, int flags,
          ...) {
  return OpenedFrom(
      UsedNumbers{directory, kNoDescriptor, false},
      [=](TargetText& text) { return NewFileAt(directory, path, flags, text); }, real::openat, directory, path, flags,
      FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file, relative to a directory" CHECKED, int, openat64, int directory, const char* path, int flags,
          ...) {
  return OpenedFrom(
      UsedNumbers{directory, kNoDescriptor, false},
      [=](TargetText& text) { return NewFileAt(directory, path, flags, text); }, real::openat64, directory, path, flags,
      FDAUDIT_OPEN_MODE(flags));
}
INTERPOSE("opens a file, relative to a directory" CHECKED, int, __openat_2, int directory, const char* path,
          int flags) {
  return OpenedFrom(
      UsedNumbers{directory, kNoDescriptor, false},
      [=](TargetText& text) { return NewFileAt(directory, path, flags, text); }, real::__openat_2, directory, path,
      flags);
}
INTERPOSE("opens a file, relative to a directory" CHECKED, int, __openat64_2, int directory, const char* path,
          int flags) {
  return OpenedFrom(
      UsedNumbers{directory, kNoDescriptor, false},
      [=](TargetText& text) { return NewFileAt(directory, path, flags, text); }, real::__openat64_2, directory, path,
      flags);
}
INTERPOSE("opens a file", int, creat, const char* path, mode_t mode) {
  return Opened(NewFile(path, O_WRONLY), real::creat, path, mode);
}
INTERPOSE("opens a file", int, creat64, const char* path, mode_t mode) {
  return Opened(NewFile(path, O_WRONLY), real::creat64, path, mode);
}
INTERPOSE("opens a file by its handle" CHECKED, int, open_by_handle_at, int mount, file_handle* handle, int flags) {
  return OpenedFrom(UsedNumbers{mount, kNoDescriptor, false}, NewFile(nullptr, flags), real::open_by_handle_at, mount,
                    handle, flags);
}

// The template holds the name when the call has succeeded.
INTERPOSE("makes a file of a new name", int, mkstemp, char* name) {
  return Opened(NewFile(name, O_RDWR), real::mkstemp, name);
}
INTERPOSE("makes a file of a new name", int, mkstemp64, char* name) {
  return Opened(NewFile(name, O_RDWR), real::mkstemp64, name);
}
INTERPOSE("makes a file of a new name", int, mkostemp, char* name, int flags) {
  return Opened(NewFile(name, O_RDWR | flags), real::mkostemp, name, flags);
}
INTERPOSE("makes a file of a new name", int, mkostemp64, char* name, int flags) {
  return Opened(NewFile(name, O_RDWR | flags), real::mkostemp64, name, flags);
}
INTERPOSE("makes a file of a new name", int, mkstemps, char* name, int suffix) {
  return Opened(NewFile(name, O_RDWR), real::mkstemps, name, suffix);
}
INTERPOSE("makes a file of a new name", int, mkstemps64, char* name, int suffix) {
  return Opened(NewFile(name, O_RDWR), real::mkstemps64, name, suffix);
}
INTERPOSE("makes a file of a new name", int, mkostemps, char* name, int suffix, int flags) {
  return Opened(NewFile(name, O_RDWR | flags), real::mkostemps, name, suffix, flags);
}
INTERPOSE("makes a file of a new name", int, mkostemps64, char* name, int suffix, int flags) {
  return Opened(NewFile(name, O_RDWR | flags), real::mkostemps64, name, suffix, flags);
}

// ---------------------------------------------------------------------------------------------------------------------
// openat2 came to glibc long after its system call. Who looks the name up at run time, or brings a function of that
// name along, would find this one in any case: so it does what theirs does where libc's is missing.

INTERPOSE_BY_HAND("opens a file, relative to a directory" CHECKED, int, openat2, int directory, const char* path,
                  const open_how* how, size_t size)

namespace fdaudit::shim {
namespace {

constexpr struct OpenAt2 {
  static constexpr long kNumber = 437;  // on every architecture; older headers lack it

  int operator()(int directory, const char* path, const open_how* how, size_t size) const {
    if (real::openat2.Known()) return real::openat2(directory, path, how, size);
    const long result = raw::Call(kNumber, directory, raw::Address(path), raw::Address(how), static_cast<long>(size));
    if (!raw::Failed(result)) return static_cast<int>(result);
    SetLastError(static_cast<int>(-result));
    return -1;
  }
} open_at_2;

uint16_t CallNumber(const OpenAt2&) { return CallNumber(real::openat2); }

}  // namespace
}  // namespace fdaudit::shim

FDAUDIT_EXPORT int openat2(int directory, const char* path, const open_how* how, size_t size) {
  const auto what = [=](TargetText& text) { return NewFileAt(directory, path, how, text); };
  return OpenedFrom(UsedNumbers{directory, kNoDescriptor, false}, what, open_at_2, directory, path, how, size);
}
