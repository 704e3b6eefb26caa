#include "shim/events/kept.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "shim/base/text.h"
#include "shim/base/thread.h"
#include "shim/base/thread_pointer.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/probe.h"

namespace fdaudit::shim {
namespace {

/// A descriptor that libc keeps: its number, the ledger's incarnation of it, and a hash of the kernel's object. Packed
/// into one word, so that threads see all of it or nothing: hash << 32 | (number + 1) << 11 | incarnation. Lower half
/// 0: not known; the upper one is then the image that is about to record it, 0 = none.
struct Held {
  int fd;
  uint32_t count;
  uint32_t object;
};
constexpr int kCountBits = 11;
constexpr uint32_t kCountMask = (1u << kCountBits) - 1;

bool IsKnown(uint64_t word) { return static_cast<uint32_t>(word) != 0; }

uint64_t PackHeld(Held held) {
  return uint64_t{held.object} << 32 | (static_cast<uint32_t>(held.fd) + 1) << kCountBits | (held.count & kCountMask);
}

Held UnpackHeld(uint64_t word) {
  const auto low = static_cast<uint32_t>(word);
  return {static_cast<int>(low >> kCountBits) - 1, low & kCountMask, static_cast<uint32_t>(word >> 32)};
}

/// Identifies an open file or socket; 0 = the number is closed.
uint32_t ObjectBehind(int fd) {
  struct stat status = {};
  if (raw::Fstat(fd, &status) != 0) return 0;
  const uint64_t parts[] = {status.st_dev, status.st_ino};
  return static_cast<uint32_t>(HashBytes(parts, sizeof parts)) | 1;
}

int DomainOf(int socket) {
  int domain = 0;
  socklen_t size = sizeof domain;
  raw::Call(SYS_getsockopt, socket, SOL_SOCKET, SO_DOMAIN, raw::Address(&domain), raw::Address(&size));
  return domain;
}

bool IsSocketTo(int fd, const char* path) {
  sockaddr_un peer = {};
  socklen_t size = sizeof peer;
  return raw::Call(SYS_getpeername, fd, raw::Address(&peer), raw::Address(&size)) == 0 && peer.sun_family == AF_UNIX &&
         size > offsetof(sockaddr_un, sun_path) && strncmp(peer.sun_path, path, sizeof peer.sun_path) == 0;
}

/// Proves that `fd` is what libc keeps, even while other threads open. libc asks for close-on-exec always,
/// most programs don't.
bool IsProven(const Kept& kept, int fd) {
  struct stat status = {};
  if (raw::DescriptorFlags(fd) != FD_CLOEXEC || raw::Fstat(fd, &status) != 0) return false;
  if (kept.domain != 0) return S_ISSOCK(status.st_mode) && DomainOf(fd) == kept.domain;
  for (const char* path : kept.paths) {
    if (path == nullptr) break;
    struct stat named = {};
    if (S_ISSOCK(status.st_mode)) {
      if (IsSocketTo(fd, path)) return true;
    } else if (raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address(path), raw::Address(&named), 0) == 0 &&
               named.st_dev == status.st_dev && named.st_ino == status.st_ino) {
      return true;
    }
  }
  return false;
}

/// Only the running call can have opened anything.
bool IsAlone() { return SingleThreaded() && (ImageOf(CurrentImage())->reasons & trace::kReasonSharedTable) == 0; }

/// The one number among `fds` that is open and unknown to the ledger, -1 where there is none or more than one.
int FindNew(const Kept& kept, const int* fds, int count, bool must_prove) {
  int found = -1;
  for (int i = 0; i < count; ++i) {
    if (!raw::IsOpen(fds[i]) || LedgerOpenCount(fds[i]) != 0 || (must_prove && !IsProven(kept, fds[i]))) continue;
    if (found >= 0) return -1;
    found = fds[i];
  }
  return found;
}

/// The incarnation under which the ledger still has it open, else 0.
uint32_t CountInLedger(Held held) {
  const uint32_t count = LedgerOpenCount(held.fd);
  return (count & kCountMask) == held.count ? count : 0;
}

/// libc has closed it inside another call than the one that ends it.
void Forget(const CallSite& site, Kept& kept, uint64_t word) {
  if (!Atomic(kept.held).compare_exchange_strong(word, 0)) return;
  const Held held = UnpackHeld(word);
  if (const uint32_t count = CountInLedger(held); count != 0) RecordClosedInside(site, held.fd, count);
}

void Keep(const CallSite& site, Kept& kept, int fd) {
  const uint64_t claim = uint64_t{CurrentImage()} << 32;
  uint64_t before = Atomic(kept.held).load();
  if (IsKnown(before) || before == claim || !Atomic(kept.held).compare_exchange_strong(before, claim)) return;
  trace::Incarnation life = {};
  char target[trace::kTargetSize] = "";
  DescribeOpenDescriptor(fd, life, {}, target);
  NewDescriptor what;
  what.kind = life.kind;
  what.flags = trace::kKeptByLibc;
  if (raw::DescriptorFlags(fd) == FD_CLOEXEC) what.flags |= trace::kCloseOnExec;
  what.target = target;
  const uint32_t object = ObjectBehind(fd);
  RecordOpened(site, fd, what);
  const uint64_t word = PackHeld({fd, LedgerOpenCount(fd), object});
  Atomic(kept.held).store(word);
  // Another thread may have ended it meanwhile. Either it sees our record when its call returns, or we see it gone.
  if (object == 0 || ObjectBehind(fd) != object) Forget(site, kept, word);
}

/// libc has replaced what it kept. The new one may even have taken a number that the program thinks its own: libc
/// closes by number, like anybody.
void FindReplacement(const CallSite& site, Kept& kept, int fd_before) {
  if (IsProven(kept, fd_before)) {
    if (const uint32_t count = LedgerOpenCount(fd_before); count != 0) RecordClosedInside(site, fd_before, count);
    Keep(site, kept, fd_before);
    return;
  }
  int fds[KeptWatch::kCandidates];
  const int fd = FindNew(kept, fds, LedgerLowestFree(fds, KeptWatch::kCandidates), true);
  if (fd >= 0) Keep(site, kept, fd);
}

/// Whether the ledger describes the caller's table.
bool HasLedger() {
  const uint32_t image = CurrentImage();
  return image != 0 && ThreadOf(image).UsesLedger() && !InVforkChild();
}

bool CanLook() { return HasLedger() && SystemCallsAllowed(); }

}  // namespace

KeptWatch::KeptWatch(const CallSite& site, Kept& kept) : site_(site), kept_(kept) {
  watches_ = CanLook();
  if (!watches_) return;
  held_ = Atomic(kept.held).load();
  if (IsKnown(held_)) return;
  int fds[kCandidates];
  const int count = LedgerLowestFree(fds, kCandidates);
  for (int i = 0; i < count; ++i) {
    if (!raw::IsOpen(fds[i])) free_[free_count_++] = fds[i];
  }
}

KeptWatch::~KeptWatch() {
  if (!watches_ || !CanLook()) return;
  const int saved_errno = LastError();
  if (!IsKnown(held_)) {
    const int fd = FindNew(kept_, free_, free_count_, !IsAlone());
    if (fd >= 0) Keep(site_, kept_, fd);
  } else if (const Held held = UnpackHeld(held_); ObjectBehind(held.fd) != held.object) {
    Forget(site_, kept_, held_);
    FindReplacement(site_, kept_, held.fd);
  }
  SetLastError(saved_errno);
}

// Recorded before libc's close, like any. But not as a close of the number in general: another thread's file that
// was taken for libc's may have shown whose it is since. Only this very incarnation ends, and no one is accused.
KeptRelease::KeptRelease(const CallSite& site, Kept& kept) : site_(site), kept_(kept) {
  held_ = Atomic(kept.held).load();
  if (!IsKnown(held_) || !HasLedger()) return;
  watches_ = Atomic(kept.held).compare_exchange_strong(held_, 0);
  if (!watches_) return;
  const int saved_errno = LastError();
  count_ = CountInLedger(UnpackHeld(held_));
  if (count_ != 0) RecordClosedInside(site, UnpackHeld(held_).fd, count_);
  SetLastError(saved_errno);
}

KeptRelease::~KeptRelease() {
  const int saved_errno = LastError();
  const Held held = UnpackHeld(held_);
  if (CanLook()) {
    if (count_ != 0 && ObjectBehind(held.fd) == held.object && IsProven(kept_, held.fd)) {
      // It is there still.
      LedgerCloseUndo(held.fd, count_);
      uint64_t none = 0;
      Atomic(kept_.held).compare_exchange_strong(none, held_);
    } else if (watches_ && count_ == 0 && IsAlone() && ObjectBehind(held.fd) == 0) {
      // The program had closed libc's number. Where it was given it itself since, libc has closed that now.
      if (const uint32_t count = LedgerOpenCount(held.fd); count != 0) RecordClosedInside(site_, held.fd, count);
    }
    // What another thread's call has recorded since may be what this one closed.
    const uint64_t now = Atomic(kept_.held).load();
    if (IsKnown(now) && ObjectBehind(UnpackHeld(now).fd) != UnpackHeld(now).object) Forget(site_, kept_, now);
  }
  SetLastError(saved_errno);
}

}  // namespace fdaudit::shim
