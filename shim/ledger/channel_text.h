#pragma once

// Sockets and pipes in words, the same whether recorded at a call or asked of the kernel at the end:
//
//   tcp 127.0.0.1:80 (listening)              unix /run/app.sock (accepted)
//   tcp 127.0.0.1:80 <- 10.0.0.7:51234        unix socketpair, other end 5
//   tcp 127.0.0.1:51234 -> 10.0.0.1:80        pipe, read end; write end is 4
//   tcp connecting to 10.0.0.1:80             netlink
//
// No system calls; any context.

#include <sys/socket.h>

#include <cstdint>

#include "shim/base/text.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

inline constexpr uint16_t SocketDetail(int domain, int type) {
  return static_cast<uint16_t>((domain & 0xff) << 8 | (type & trace::kSocketTypeMask));
}

/// Adds the address; false where it says nothing (an unnamed unix socket, port 0 of any address). Bytes beyond `size`
/// are not read.
bool AddAddress(TextBuilder& text, const sockaddr* address, socklen_t size);

/// What is known of a socket's addresses, each empty where it is not.
struct SocketNames {
  const char* local = "";
  const char* peer = "";
  bool connected = false;  ///< to a peer without a name
};

/// `detail`: trace::Incarnation::detail.
void AddSocket(TextBuilder& text, uint16_t detail, const SocketNames& names);

/// Whether what AddSocket wrote names a peer.
bool NamesPeer(const char* description);
/// The local address in what AddSocket wrote.
void CopyLocalName(const char* description, char (&local)[trace::kTargetSize]);

/// An end of socketpair(2). `other`: the number of its other end, -1 = unknown; `is_open`: whether it still is that.
void AddPairEnd(TextBuilder& text, uint16_t detail, int other, bool is_open);
/// An end of pipe(2).
void AddPipeEnd(TextBuilder& text, bool writes, int other, bool is_open);

}  // namespace fdaudit::shim
