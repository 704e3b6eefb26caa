#include "shim/ledger/probe.h"

#include <sys/socket.h>

#include "shim/base/clock.h"
#include "shim/base/text.h"
#include "shim/ledger/channel_text.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::FdKind;

int SocketOption(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  const long result = raw::Call(SYS_getsockopt, fd, SOL_SOCKET, option, raw::Address(&value), raw::Address(&size));
  return result == 0 ? value : -1;
}

/// Asks getsockname(2) or getpeername(2). False: there is no such address; a `name` may be empty all the same.
bool AskAddress(int fd, long call, char (&name)[trace::kTargetSize]) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  name[0] = '\0';
  if (raw::Call(call, fd, raw::Address(&address), raw::Address(&size)) != 0) return false;
  TextBuilder text(name, sizeof name);
  AddAddress(text, reinterpret_cast<const sockaddr*>(&address), size);
  return true;
}

/// `life.detail` keeps what only the calls knew, and gets the rest.
bool DescribeSocket(int fd, trace::Incarnation& life, Partner partner, const char* recorded, TextBuilder& text) {
  const int domain = SocketOption(fd, SO_DOMAIN);
  if (domain < 0) return false;
  constexpr uint16_t kKept = trace::kSocketAccepted | trace::kSocketConnecting | trace::kSocketPaired;
  life.detail = static_cast<uint16_t>((life.detail & kKept) | SocketDetail(domain, SocketOption(fd, SO_TYPE)));
  if (SocketOption(fd, SO_ACCEPTCONN) > 0) life.detail |= trace::kSocketListening;
  char local[trace::kTargetSize];
  char peer[trace::kTargetSize];
  const bool has_local = AskAddress(fd, SYS_getsockname, local) && local[0] != '\0';
  const bool connected = AskAddress(fd, SYS_getpeername, peer);
  if ((life.detail & trace::kSocketPaired) != 0 && !has_local && peer[0] == '\0') {
    AddPairEnd(text, life.detail, partner.fd, partner.is_open);
  } else if (!connected && NamesPeer(recorded)) {
    text.Add(recorded);  // reset, or not connected yet: only the call knew with whom
  } else {
    life.detail &= static_cast<uint16_t>(~trace::kSocketConnecting);
    AddSocket(text, life.detail, {local, peer, connected});
  }
  return true;
}

/// The kernel's names of nameless memory are "/memfd:NAME (deleted)", whatever becomes of it.
void TidyMemoryName(char* name, FdKind* kind) {
  constexpr char kPrefix[] = "/memfd:";
  constexpr char kSuffix[] = " (deleted)";
  const size_t length = strlen(name);
  if (length < sizeof kPrefix + sizeof kSuffix - 2 || !StartsWith(name, kPrefix)) return;
  char* suffix = name + length - (sizeof kSuffix - 1);
  if (strcmp(suffix, kSuffix) != 0) return;
  *suffix = '\0';
  memmove(name, name + 1, strlen(name));
  *kind = FdKind::kMemFd;
}

/// What /proc/self/fd says.
void ReadName(int fd, char* buffer, size_t size) {
  char link[32];
  TextBuilder(link, sizeof link).Add("/proc/self/fd/").Add(static_cast<uint64_t>(fd));
  const long length = raw::ReadLink(link, buffer, size - 1);
  buffer[length > 0 ? length : 0] = '\0';
}

FdKind KindFromMode(mode_t mode, FdKind known) {
  if (known != FdKind::kUnknown && known != FdKind::kFile) return known;
  if (S_ISDIR(mode)) return FdKind::kDirectory;
  if (S_ISFIFO(mode)) return FdKind::kPipe;
  if (S_ISSOCK(mode)) return FdKind::kSocket;
  if (S_ISCHR(mode)) return FdKind::kCharacterDevice;
  if (S_ISBLK(mode)) return FdKind::kBlockDevice;
  return S_ISREG(mode) ? FdKind::kFile : known;
}

/// "anon_inode:[eventfd]" and the like say no more than the kind does; what the opening call recorded is better.
bool IsNoNews(const char* link, FdKind kind) {
  return kind == FdKind::kPidFd || kind == FdKind::kMount ||
         (kind != FdKind::kUnknown && StartsWith(link, "anon_inode:"));
}

/// CLOCK_REALTIME at a stamp of this trace, in nanoseconds.
int64_t RealtimeAt(uint64_t stamp) {
  const trace::ClockPair start = recorder.header().started;
  const trace::ClockPair now = Now();
  const double rate = now.stamp == start.stamp ? 1.0
                                               : static_cast<double>(now.monotonic_ns - start.monotonic_ns) /
                                                     static_cast<double>(now.stamp - start.stamp);
  const double since = static_cast<double>(now.stamp - stamp) * rate;
  return static_cast<int64_t>(raw::Nanoseconds(CLOCK_REALTIME)) - static_cast<int64_t>(since);
}

/// A file's name came or went at `since` or later, judging by its inode: rename(2), link(2) and unlink(2) change
/// its ctime, whose clock ticks some hundred times a second.
bool WasRenamed(const struct stat& file, int64_t since) {
  constexpr int64_t kTick = 20'000'000;
  return static_cast<int64_t>(file.st_ctim.tv_sec) * 1'000'000'000 + file.st_ctim.tv_nsec + kTick >= since;
}

/// The kernel names a file that was unlinked, or replaced by rename(2), "NAME (deleted)".
bool HasName(const char* target, const char* name) {
  const size_t length = strlen(name);
  return strncmp(target, name, length) == 0 && (target[length] == '\0' || strcmp(target + length, " (deleted)") == 0);
}

}  // namespace

int CountOpenDescriptors() {
  struct stat folder = {};
  const long failed = raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address("/proc/self/fd"), raw::Address(&folder), 0);
  return failed != 0 || folder.st_size == 0 ? -1 : static_cast<int>(folder.st_size);
}

bool IsAnother(int fd, const trace::Incarnation& life, const char* recorded_target, const char* target) {
  struct stat now = {};
  if (raw::Fstat(fd, &now) != 0) return false;
  const bool anonymous = (now.st_mode & S_IFMT) == 0;  // eventfd, epoll, …
  switch (life.kind) {
    case FdKind::kPipe:
      return !S_ISFIFO(now.st_mode);
    case FdKind::kSocket:
      return !S_ISSOCK(now.st_mode);
    case FdKind::kDirectory:
      return !S_ISDIR(now.st_mode);
    case FdKind::kPty:
      return !S_ISCHR(now.st_mode);
    case FdKind::kFile:
      break;
    default:
      return false;
  }
  if (anonymous || S_ISSOCK(now.st_mode)) return true;
  // Another name may be the same file, by a link or after a rename. It is another file only where both are there, and
  // at least one of them bears its name for longer than the number has been open: when a log is rotated, neither does.
  const bool comparable = recorded_target[0] != '\0' && !StartsWith(recorded_target, "...") && S_ISREG(now.st_mode);
  if (!comparable || HasName(BaseName(target), BaseName(recorded_target))) return false;
  struct stat named = {};
  const long found = raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address(recorded_target), raw::Address(&named),
                               AT_SYMLINK_NOFOLLOW);  // a symbolic link may have led elsewhere
  if (found != 0 || !S_ISREG(named.st_mode) || (named.st_ino == now.st_ino && named.st_dev == now.st_dev)) return false;
  const int64_t opened = RealtimeAt(life.opened.stamp);
  return !WasRenamed(named, opened) || !WasRenamed(now, opened);
}

void DescribeKind(int fd, trace::Incarnation& life, char (&target)[trace::kTargetSize]) {
  struct stat status = {};
  if (life.kind != FdKind::kUnknown || raw::Fstat(fd, &status) != 0) return;
  life.kind = KindFromMode(status.st_mode, life.kind);
  if (life.kind == FdKind::kSocket) {
    life.detail = SocketDetail(SocketOption(fd, SO_DOMAIN), SocketOption(fd, SO_TYPE));
  } else if (life.kind == FdKind::kUnknown) {
    ReadName(fd, target, sizeof target);  // "anon_inode:[eventfd]"
  }
}

void DescribeOpenDescriptor(int fd, trace::Incarnation& life, Partner partner, char (&target)[trace::kTargetSize]) {
  char buffer[768];
  TextBuilder text(buffer, sizeof buffer);
  struct stat status = {};
  if (raw::Fstat(fd, &status) == 0) life.kind = KindFromMode(status.st_mode, life.kind);
  if (life.kind != FdKind::kSocket || !DescribeSocket(fd, life, partner, target, text)) {
    ReadName(fd, buffer, sizeof buffer);
    TidyMemoryName(buffer, &life.kind);
    if (IsNoNews(buffer, life.kind)) return;
    // A pipe without a name: not a FIFO.
    if (life.kind == FdKind::kPipe && StartsWith(buffer, "pipe:[")) {
      if (target[0] != '\0' && !StartsWith(target, "pipe, ")) return;  // "popen: …" says more
      const long flags = raw::Call(SYS_fcntl, fd, F_GETFL);
      TextBuilder end(buffer, sizeof buffer);
      AddPipeEnd(end, (flags & O_ACCMODE) == O_WRONLY, partner.fd, partner.is_open);
    }
  }
  const size_t length = strlen(buffer);
  const size_t kept = length < sizeof target ? length : sizeof target - 1;
  memcpy(target, buffer + length - kept, kept);
  target[kept] = '\0';
  if (kept < length) memcpy(target, "...", 3);
}

}  // namespace fdaudit::shim
