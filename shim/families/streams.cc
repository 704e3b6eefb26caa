// Streams: who makes a FILE* gets its descriptor with it, and fclose gives both back.

#include <fcntl.h>
#include <mntent.h>
#include <paths.h>

#include <cstdio>
#include <cstring>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/families/new_descriptors.h"
#include "shim/families/stream_numbers.h"

// Names that libc keeps for old programs. Declared nowhere.
extern "C" {
FILE* _IO_fopen(const char*, const char*);
FILE* _IO_fdopen(int, const char*);
int _IO_fclose(FILE*);
FILE* __setmntent(const char*, const char*);
int __endmntent(FILE*);
}

namespace fdaudit::shim {
namespace {

/// fopen's 'e' asks for close-on-exec. libc looks at the first seven letters of a mode, so that none of ",ccs=…"
/// counts.
bool AsksForCloseOnExec(const char* mode) {
  constexpr size_t kLettersRead = 7;
  return memchr(mode, 'e', strnlen(mode, kLettersRead)) != nullptr;
}

/// open(2)'s flags for a stream of this mode, as far as they say what it is open for.
int AccessOf(const char* mode) {
  if (mode == nullptr || strchr(mode, '+') != nullptr) return O_RDWR;
  return *mode == 'r' ? O_RDONLY : O_WRONLY;
}

NewDescriptor NewStream(const char* path, const char* mode) {
  NewDescriptor what = NewFile(path, AccessOf(mode));
  what.flags |= trace::kOwnedByFile;
  if (mode != nullptr && AsksForCloseOnExec(mode)) what.flags |= trace::kCloseOnExec;
  return what;
}

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

/// endmntent returns 1 however its fclose ended: only errno shows a failure.
template <typename Function>
__attribute__((always_inline)) inline int MountTableClosed(Function& function, FILE* stream) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int fd = stream == nullptr ? kNoDescriptor : NumberOfStream(stream);
  const PendingClose pending = RecordClosing(site, fd);
  const int saved_errno = LastError();
  SetLastError(0);
  const int result = function(stream);
  RecordClosed(site, fd, pending, pending.ticket.found == CloseTicket::Found::kOpen ? 0 : LastError(), kItsStream);
  if (LastError() == 0) SetLastError(saved_errno);
  return result;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a stream, which owns its descriptor", FILE*, fopen, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, mode), NumberOfStream, real::fopen, path, mode);
}
INTERPOSE("opens a stream, which owns its descriptor", FILE*, fopen64, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, mode), NumberOfStream, real::fopen64, path, mode);
}
INTERPOSE("opens a stream, which owns its descriptor", FILE*, _IO_fopen, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, mode), NumberOfStream, real::_IO_fopen, path, mode);
}
// The file has no name, unless the file system knows of no such files.
INTERPOSE("opens a stream on a nameless file, and owns its descriptor", FILE*, tmpfile) {
  return OpenedOwner<FILE>(NewStream(P_tmpdir "/(nameless)", "w+"), NumberOfStream, real::tmpfile);
}
INTERPOSE("opens a stream on a nameless file, and owns its descriptor", FILE*, tmpfile64) {
  return OpenedOwner<FILE>(NewStream(P_tmpdir "/(nameless)", "w+"), NumberOfStream, real::tmpfile64);
}
INTERPOSE("makes a stream the descriptor's owner" CHECKED, FILE*, fdopen, int fd, const char* mode) noexcept {
  return Adopted<FILE>(fd, fdaudit::trace::kOwnedByFile, real::fdopen, fd, mode);
}
INTERPOSE("makes a stream the descriptor's owner" CHECKED, FILE*, _IO_fdopen, int fd, const char* mode) {
  return Adopted<FILE>(fd, fdaudit::trace::kOwnedByFile, real::_IO_fdopen, fd, mode);
}
INTERPOSE("lets a stream refer to another file", FILE*, freopen, const char* path, const char* mode, FILE* stream) {
  return Reopened(real::freopen, path, mode, stream);
}
INTERPOSE("lets a stream refer to another file", FILE*, freopen64, const char* path, const char* mode, FILE* stream) {
  return Reopened(real::freopen64, path, mode, stream);
}
INTERPOSE("closes a stream's descriptor", int, fclose, FILE* stream) { return StreamClosed(real::fclose, stream); }
INTERPOSE("closes a stream's descriptor", int, _IO_fclose, FILE* stream) {
  return StreamClosed(real::_IO_fclose, stream);
}

// libc adds close-on-exec to what the program asks for.
INTERPOSE("opens a stream, which owns its descriptor", FILE*, setmntent, const char* path, const char* mode) noexcept {
  return OpenedOwner<FILE>(NewStream(path, "e"), NumberOfStream, real::setmntent, path, mode);
}
INTERPOSE("opens a stream, which owns its descriptor", FILE*, __setmntent, const char* path, const char* mode) {
  return OpenedOwner<FILE>(NewStream(path, "e"), NumberOfStream, real::__setmntent, path, mode);
}
INTERPOSE("closes a stream's descriptor", int, endmntent, FILE* stream) noexcept {
  return MountTableClosed(real::endmntent, stream);
}
INTERPOSE("closes a stream's descriptor", int, __endmntent, FILE* stream) {
  return MountTableClosed(real::__endmntent, stream);
}
