#include "shim/events/memory_lock.h"

#include <sys/mman.h>

#include <cerrno>

#include "shim/base/raw_io.h"
#include "shim/trace/recorder.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4  // Linux 4.4
#endif

extern "C" {
// Where the shim begins, and where its tables end (shim/base/large.ld), which are its last part.
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char fdaudit_end[] __attribute__((visibility("hidden")));
}

namespace fdaudit::shim {
namespace {

using trace::kPageSize;

struct Range {
  uintptr_t begin;
  uintptr_t end;
};

/// visit(Range) for what is the shim's, in whole pages.
template <typename Visitor>
void ForEachOwn(Visitor visit) {
  const auto end = reinterpret_cast<uintptr_t>(fdaudit_end);
  visit(Range{reinterpret_cast<uintptr_t>(__ehdr_start), (end + kPageSize - 1) & ~uintptr_t{kPageSize - 1}});
  recorder.ForEachMapping([&visit](char* start, uint64_t size) {
    visit(Range{reinterpret_cast<uintptr_t>(start), reinterpret_cast<uintptr_t>(start) + size});
  });
}

void UnlockOwn() {
  ForEachOwn(
      [](Range own) { raw::Call(SYS_munlock, static_cast<long>(own.begin), static_cast<long>(own.end - own.begin)); });
}

/// Locks a mapping. False: the limit is met. That its pages can't be had is no failure of mlockall's either.
bool Lock(Range range, bool is_accessible, bool on_fault) {
  const int flags = on_fault || !is_accessible ? MLOCK_ONFAULT : 0;
  const long result =
      raw::Call(SYS_mlock2, static_cast<long>(range.begin), static_cast<long>(range.end - range.begin), flags);
  return result == 0 ||
         (result == -ENOMEM && raw::Call(SYS_mlock2, static_cast<long>(range.begin),
                                         static_cast<long>(range.end - range.begin), MLOCK_ONFAULT) == 0);
}

/// Locks a mapping but for what is the shim's.
bool LockAround(Range range, bool is_accessible, bool on_fault) {
  bool locked = true;
  while (range.begin < range.end) {
    Range next = {range.end, range.end};
    ForEachOwn([&](Range own) {
      if (own.end > range.begin && own.begin < next.begin) next = own;
    });
    const uintptr_t end = next.begin < range.end ? next.begin : range.end;
    if (end > range.begin) locked = locked && Lock({range.begin, end}, is_accessible, on_fault);
    range.begin = next.end > range.begin ? next.end : range.end;
  }
  return locked;
}

/// Reads /proc/self/maps, byte by byte: "begin-end perms …".
class MappingReader {
 public:
  explicit MappingReader(int fd) : fd_(fd) {}

  bool Next(Range* range, bool* is_accessible) {
    range->begin = Hex();
    range->end = Hex();
    *is_accessible = Byte() != '-';
    for (int byte = Byte(); byte != '\n' && byte != kEnd;) byte = Byte();
    return range->end > range->begin;
  }

 private:
  static constexpr int kEnd = -1;

  int Byte() {
    if (place_ == length_) {
      length_ = raw::Read(fd_, buffer_, sizeof buffer_);
      place_ = 0;
      if (length_ <= 0) length_ = 0;
    }
    return length_ == 0 ? kEnd : buffer_[place_++];
  }

  /// Ends with the byte behind the number.
  uintptr_t Hex() {
    uintptr_t number = 0;
    for (;;) {
      const int byte = Byte();
      if (byte >= '0' && byte <= '9') {
        number = number << 4 | static_cast<uintptr_t>(byte - '0');
      } else if (byte >= 'a' && byte <= 'f') {
        number = number << 4 | static_cast<uintptr_t>(byte - 'a' + 10);
      } else {
        return number;
      }
    }
  }

  int fd_;
  long place_ = 0;
  long length_ = 0;
  char buffer_[512];
};

/// mlockall's check counts the shim's memory with the program's: lock what is the program's, mapping by mapping.
bool LockWithoutOwn(int flags) {
  const int fd = raw::Open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  MappingReader mappings(fd);
  Range range;
  bool is_accessible = false;
  bool locked = true;
  constexpr uintptr_t kKernelHalf = uintptr_t{1} << 63;  // [vsyscall]
  while (locked && mappings.Next(&range, &is_accessible)) {
    if (range.begin < kKernelHalf) locked = LockAround(range, is_accessible, (flags & MCL_ONFAULT) != 0);
  }
  raw::Close(fd);
  if (locked && (flags & MCL_FUTURE) != 0) locked = raw::Call(SYS_mlockall, flags & ~MCL_CURRENT) == 0;
  if (!locked) raw::Call(SYS_munlockall);
  return locked;
}

}  // namespace

bool LeaveOutOfLock(int flags, bool succeeded) {
  if (!recorder.recording() || !SystemCallsAllowed() || (flags & MCL_CURRENT) == 0) return succeeded;
  if (!succeeded) return LastError() == ENOMEM && LockWithoutOwn(flags);
  UnlockOwn();
  return true;
}

}  // namespace fdaudit::shim
