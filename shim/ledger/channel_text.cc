#include "shim/ledger/channel_text.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>

namespace fdaudit::shim {
namespace {

constexpr char kListening[] = " (listening)";
constexpr char kAccepted[] = " (accepted)";
constexpr char kConnected[] = " (connected)";
constexpr char kUnconnected[] = " (unconnected)";
constexpr char kTo[] = " -> ";
constexpr char kFrom[] = " <- ";
constexpr char kConnecting[] = " connecting to ";

void AddPort(TextBuilder& text, uint16_t port) {
  if (port != 0) text.Add(":").Add(static_cast<uint64_t>(__builtin_bswap16(port)));
}

bool AddIpv4(TextBuilder& text, const sockaddr_in& address) {
  if (address.sin_port == 0 && address.sin_addr.s_addr == 0) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&address.sin_addr);
  for (int i = 0; i < 4; ++i) text.Add(i == 0 ? "" : ".").Add(static_cast<uint64_t>(bytes[i]));
  AddPort(text, address.sin_port);
  return true;
}

void AddHex(TextBuilder& text, unsigned value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 12; shift >= 0; shift -= 4) {
    if (value >> shift != 0 || shift == 0) text.Add(&kDigits[value >> shift & 15], 1);
  }
}

/// With the longest run of zeros left out (RFC 5952).
bool AddIpv6(TextBuilder& text, const sockaddr_in6& address) {
  unsigned groups[8];
  int run_start = 8;
  int run_length = 1;  // a single zero is no run
  for (int i = 0, length = 0; i < 8; ++i) {
    groups[i] = address.sin6_addr.s6_addr[i * 2] * 256u + address.sin6_addr.s6_addr[i * 2 + 1];
    length = groups[i] == 0 ? length + 1 : 0;
    if (length > run_length) {
      run_length = length;
      run_start = i + 1 - length;
    }
  }
  if (address.sin6_port == 0 && run_length == 8) return false;
  text.Add("[");
  for (int i = 0; i < 8; ++i) {
    if (i == run_start) {
      text.Add("::");
      i += run_length - 1;
      continue;
    }
    if (i != 0 && i != run_start + run_length) text.Add(":");
    AddHex(text, groups[i]);
  }
  text.Add("]");
  AddPort(text, address.sin6_port);
  return true;
}

/// Two of them are to find room in a target: a long path keeps its tail.
bool AddUnix(TextBuilder& text, const char* path, size_t room) {
  constexpr size_t kLongest = 64;
  if (room <= 1) return false;
  const bool abstract = path[0] == '\0';
  if (abstract) text.Add("@");
  path += abstract ? 1 : 0;
  size_t length = strnlen(path, room - (abstract ? 1 : 0));
  if (length > kLongest) {
    text.Add("...");
    path += length - (kLongest - 3);
    length = kLongest - 3;
  }
  text.Add(path, length);
  return true;
}

const char* NameOf(int domain, int type) {
  switch (domain) {
    case AF_UNIX:
      return "unix";
    case AF_INET:
    case AF_INET6:
      return type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : type == SOCK_SEQPACKET ? "sctp" : "ip";
    case AF_NETLINK:
      return "netlink";
    case AF_PACKET:
      return "packet";
    case AF_VSOCK:
      return "vsock";
    case AF_ALG:
      return "kernel crypto";
    case AF_BLUETOOTH:
      return "bluetooth";
    case AF_CAN:
      return "can";
    default:
      return nullptr;
  }
}

void AddName(TextBuilder& text, uint16_t detail) {
  const int domain = detail >> 8;
  const char* name = NameOf(domain, detail & trace::kSocketTypeMask);
  if (name != nullptr) {
    text.Add(name);
  } else {
    text.Add("socket");
    if (domain != 0) text.Add(" of family ").Add(static_cast<uint64_t>(domain));
  }
}

bool HasConnections(int domain) { return domain == AF_UNIX || domain == AF_INET || domain == AF_INET6; }

void AddOther(TextBuilder& text, const char* before, int other, bool is_open) {
  if (other < 0) return;
  text.Add(before).Add(is_open ? " " : " was ").Add(static_cast<uint64_t>(other));
}

}  // namespace

bool AddAddress(TextBuilder& text, const sockaddr* address, socklen_t size) {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  } copy = {};
  if (address == nullptr || size < sizeof copy.any.sa_family) return false;
  memcpy(&copy, address, size < sizeof copy ? size : sizeof copy);
  switch (copy.any.sa_family) {
    case AF_INET:
      return size >= sizeof copy.v4 && AddIpv4(text, copy.v4);
    case AF_INET6:
      return size >= offsetof(sockaddr_in6, sin6_scope_id) && AddIpv6(text, copy.v6);
    case AF_UNIX: {
      const size_t room = size < sizeof copy.local ? size : sizeof copy.local;
      return AddUnix(text, copy.local.sun_path, room - offsetof(sockaddr_un, sun_path));
    }
    default:
      return false;
  }
}

void AddSocket(TextBuilder& text, uint16_t detail, const SocketNames& names) {
  AddName(text, detail);
  if (names.local[0] != '\0') text.Add(" ").Add(names.local);
  if (names.peer[0] != '\0') {
    const bool accepted = (detail & trace::kSocketAccepted) != 0;
    const bool connecting = (detail & trace::kSocketConnecting) != 0;
    text.Add(connecting ? kConnecting : accepted ? kFrom : kTo).Add(names.peer);
  } else if ((detail & trace::kSocketListening) != 0) {
    text.Add(kListening);
  } else if ((detail & trace::kSocketAccepted) != 0) {
    text.Add(kAccepted);
  } else if (names.connected && HasConnections(detail >> 8)) {
    text.Add(kConnected);
  } else if (names.local[0] == '\0' && HasConnections(detail >> 8)) {
    text.Add(kUnconnected);
  }
}

bool NamesPeer(const char* description) {
  return strstr(description, kTo) != nullptr || strstr(description, kFrom) != nullptr ||
         strstr(description, kConnecting) != nullptr;
}

void CopyLocalName(const char* description, char (&local)[trace::kTargetSize]) {
  local[0] = '\0';
  const char* begin = strchr(description, ' ');
  if (begin == nullptr || begin[1] == '(' || strncmp(begin, kTo, strlen(kTo)) == 0 ||
      strncmp(begin, kConnecting, strlen(kConnecting)) == 0) {
    return;
  }
  ++begin;
  size_t length = strlen(begin);
  static constexpr const char* kMarks[] = {kListening, kAccepted, kConnected, kTo, kFrom, kConnecting};
  for (const char* mark : kMarks) {
    const char* end = strstr(begin, mark);
    if (end != nullptr && static_cast<size_t>(end - begin) < length) length = static_cast<size_t>(end - begin);
  }
  TextBuilder(local, sizeof local).Add(begin, length);
}

void AddPairEnd(TextBuilder& text, uint16_t detail, int other, bool is_open) {
  AddName(text, detail);
  text.Add(" socketpair");
  AddOther(text, ", other end", other, is_open);
}

void AddPipeEnd(TextBuilder& text, bool writes, int other, bool is_open) {
  text.Add(writes ? "pipe, write end" : "pipe, read end");
  AddOther(text, writes ? (is_open ? "; read end is" : "; read end") : (is_open ? "; write end is" : "; write end"),
           other, is_open);
}

}  // namespace fdaudit::shim
