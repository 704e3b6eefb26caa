#pragma once

// Streams and their descriptors, for the families that open and close them.

#include <cstdint>
#include <cstdio>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"

namespace fdaudit::shim {

/// A stream's descriptor; kNoDescriptor where it has none (fmemopen, fopencookie). fileno(3) sets errno then, which is
/// not ours to do.
inline int NumberOfStream(FILE* stream) {
  const int saved_errno = LastError();
  const int fd = fileno_unlocked(stream);
  SetLastError(saved_errno);
  return fd < 0 ? kNoDescriptor : fd;
}

/// A stream without a descriptor that is none of those that never had one. glibc: a stream on memory is no file, one of
/// fopencookie(3) has a number of its own kind; in the memory of one that was freed there are the allocator's pointers.
inline bool LooksClosed(const FILE* stream) {
  constexpr uint32_t kMagic = 0xfbad0000, kMagicMask = 0xffff0000, kIsFile = 0x2000;
  constexpr int kClosed = -1;
  const auto flags = static_cast<uint32_t>(stream->_flags);
  return (flags & kMagicMask) != kMagic || ((flags & kIsFile) != 0 && stream->_fileno == kClosed);
}

/// fclose and pclose.
template <typename Function>
__attribute__((always_inline)) inline int StreamClosed(Function& function, FILE* stream) {
  constexpr uint8_t kOwner = trace::kOwnedByFile;
  const int fd = stream == nullptr ? kNoDescriptor : NumberOfStream(stream);
  if (stream != nullptr && !RecordedHolder(fd, kOwner, stream) && LooksClosed(stream)) {
    const CallSite site = FDAUDIT_CALL_SITE(function);
    if (RecordClosedAgain(site, fd, kOwner, stream)) return function(stream);
  }
  return ClosedOwner(fd, function, stream);
}

}  // namespace fdaudit::shim
