#include "shim/descriptor_probe.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

#include "shim/text.h"

namespace fdaudit::shim {
namespace {

using trace::FdKind;

void AddIpv6(TextBuilder& text, const sockaddr_in6& address) {
  static constexpr char kDigits[] = "0123456789abcdef";
  text.Add("[");
  for (int group = 0; group < 8; ++group) {
    if (group != 0) text.Add(":");
    const unsigned value = address.sin6_addr.s6_addr[group * 2] * 256u + address.sin6_addr.s6_addr[group * 2 + 1];
    for (int shift = 12; shift >= 0; shift -= 4) {
      if (value >> shift != 0 || shift == 0) text.Add(&kDigits[value >> shift & 15], 1);
    }
  }
  text.Add("]:").Add(static_cast<uint64_t>(__builtin_bswap16(address.sin6_port)));
}

void AddIpv4(TextBuilder& text, const sockaddr_in& address) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&address.sin_addr);
  for (int i = 0; i < 4; ++i) text.Add(i == 0 ? "" : ".").Add(static_cast<uint64_t>(bytes[i]));
  text.Add(":").Add(static_cast<uint64_t>(__builtin_bswap16(address.sin_port)));
}

/// Adds the address that getsockname(2) or getpeername(2) tells; false where there is none.
bool AddAddress(TextBuilder& text, const char* before, int fd, long call) {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  } address = {};
  socklen_t size = sizeof address;
  if (raw::Call(call, fd, raw::Address(&address), raw::Address(&size)) != 0) return false;
  if (address.any.sa_family == AF_INET) {
    if (address.v4.sin_port == 0) return false;
    AddIpv4(text.Add(before), address.v4);
  } else if (address.any.sa_family == AF_INET6) {
    if (address.v6.sin6_port == 0) return false;
    AddIpv6(text.Add(before), address.v6);
  } else if (address.any.sa_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path) + 1) {
    const bool abstract = address.local.sun_path[0] == '\0';
    const char* path = address.local.sun_path + (abstract ? 1 : 0);
    const size_t room = size - offsetof(sockaddr_un, sun_path) - (abstract ? 1 : 0);
    text.Add(before).Add(abstract ? "@" : "").Add(path, strnlen(path, room));
  } else {
    return false;
  }
  return true;
}

int SocketOption(int fd, int option) {
  int value = 0;
  socklen_t size = sizeof value;
  const long result = raw::Call(SYS_getsockopt, fd, SOL_SOCKET, option, raw::Address(&value), raw::Address(&size));
  return result == 0 ? value : -1;
}

const char* SocketName(int domain, int type) {
  if (domain == AF_UNIX) return "unix";
  if (domain == AF_NETLINK) return "netlink";
  if (domain == AF_PACKET) return "packet";
  if (domain != AF_INET && domain != AF_INET6) return "socket";
  return type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "ip";
}

bool DescribeSocket(int fd, TextBuilder& text) {
  const int domain = SocketOption(fd, SO_DOMAIN);
  if (domain < 0) return false;
  text.Add(SocketName(domain, SocketOption(fd, SO_TYPE)));
  const bool local = AddAddress(text, " ", fd, SYS_getsockname);
  const bool peer = AddAddress(text, " -> ", fd, SYS_getpeername);
  if (!local && !peer) text.Add(" (unconnected)");
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

FdKind KindFromMode(mode_t mode, FdKind known) {
  if (known != FdKind::kUnknown && known != FdKind::kFile) return known;
  if (S_ISDIR(mode)) return FdKind::kDirectory;
  if (S_ISFIFO(mode)) return FdKind::kPipe;
  if (S_ISSOCK(mode)) return FdKind::kSocket;
  if (S_ISCHR(mode)) return FdKind::kCharacterDevice;
  if (S_ISBLK(mode)) return FdKind::kBlockDevice;
  return S_ISREG(mode) ? FdKind::kFile : known;
}

/// "anon_inode:[eventfd]" and the like tell no more than the kind does; what the opening call told is better.
bool IsNoNews(const char* link, FdKind kind) {
  return kind == FdKind::kPidFd || kind == FdKind::kMount ||
         (kind != FdKind::kUnknown && StartsWith(link, "anon_inode:"));
}

}  // namespace

void ProbeNumbers(const int* fds, int count, bool* open) {
  struct pollfd descriptors[kProbeBatch];
  for (int i = 0; i < count; ++i) descriptors[i] = {fds[i], 0, 0};
  const long result = raw::ProbeDescriptors(descriptors, static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    // More numbers than RLIMIT_NOFILE allows in one poll: one by one.
    open[i] = result >= 0 ? (descriptors[i].revents & POLLNVAL) == 0 : raw::DescriptorFlags(fds[i]) >= 0;
  }
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
  // Another name may be the same file, by a link or after a rename. It is another file only where both are there.
  const bool comparable = recorded_target[0] != '\0' && !StartsWith(recorded_target, "...") && S_ISREG(now.st_mode);
  if (!comparable || strcmp(BaseName(recorded_target), BaseName(target)) == 0) return false;
  struct stat named = {};
  const long found = raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address(recorded_target), raw::Address(&named), 0);
  return found == 0 && S_ISREG(named.st_mode) && (named.st_ino != now.st_ino || named.st_dev != now.st_dev);
}

void DescribeOpenDescriptor(int fd, trace::Incarnation& life, char (&target)[trace::kTargetSize]) {
  char buffer[768];
  TextBuilder text(buffer, sizeof buffer);
  struct stat status = {};
  if (raw::Fstat(fd, &status) == 0) life.kind = KindFromMode(status.st_mode, life.kind);
  if (life.kind != FdKind::kSocket || !DescribeSocket(fd, text)) {
    char link[32];
    TextBuilder name(link, sizeof link);
    name.Add("/proc/self/fd/").Add(static_cast<uint64_t>(fd));
    const long length = raw::ReadLink(link, buffer, sizeof buffer - 1);
    buffer[length > 0 ? length : 0] = '\0';
    TidyMemoryName(buffer, &life.kind);
    if (IsNoNews(buffer, life.kind)) return;
  }
  const size_t length = strlen(buffer);
  const size_t kept = length < sizeof target ? length : sizeof target - 1;
  memcpy(target, buffer + length - kept, kept);
  target[kept] = '\0';
  if (kept < length) memcpy(target, "...", 3);
}

}  // namespace fdaudit::shim
