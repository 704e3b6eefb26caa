// Sockets.

#include <sys/socket.h>

#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/families/new_descriptors.h"

extern "C" int __connect(int, const sockaddr*, socklen_t);

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

#define FDAUDIT_ROOM(address, size) RoomFor(address, size, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)))

INTERPOSE("opens a socket", int, socket, int domain, int type, int protocol) noexcept {
  const auto what = [=](TargetText& text) { return NewSocket(domain, type, text); };
  return Opened(what, real::socket, domain, type, protocol);
}
INTERPOSE("opens two connected sockets", int, socketpair, int domain, int type, int protocol, int* fds) noexcept {
  return OpenedPair(NewSocketPair(domain, type), fds, real::socketpair, domain, type, protocol, fds);
}
INTERPOSE("opens a connection's socket" CHECKED, int, accept, int fd, sockaddr* address, socklen_t* size) {
  const AddressRoom from = FDAUDIT_ROOM(address, size);
  const auto what = [&](TargetText& text) { return NewConnection(fd, from, 0, text); };
  FDAUDIT_INSIDE(real::accept, fd);
  return OpenedFrom(fd, what, real::accept, fd, address, size);
}
INTERPOSE("opens a connection's socket" CHECKED, int, accept4, int fd, sockaddr* address, socklen_t* size, int flags) {
  const AddressRoom from = FDAUDIT_ROOM(address, size);
  const auto what = [&](TargetText& text) { return NewConnection(fd, from, flags, text); };
  FDAUDIT_INSIDE(real::accept4, fd);
  return OpenedFrom(fd, what, real::accept4, fd, address, size, flags);
}

INTERPOSE("uses; opens a descriptor of the peer's process (SO_PEERPIDFD)" CHECKED, int, getsockopt, int fd, int level,
          int name, void* value, socklen_t* size)
noexcept {
  if (__builtin_expect(!AsksForPeerProcess(level, name), 1)) {
    return Used(fd, real::getsockopt, fd, level, name, value, size);
  }
  return OpenedPeerProcess(fd, static_cast<const int*>(value), real::getsockopt, fd, level, name, value, size);
}

INTERPOSE("gives a socket its address" CHECKED, int, bind, int fd, const sockaddr* address, socklen_t size) noexcept {
  return Addressed(fd, SocketStep::kBound, address, size, real::bind, fd, address, size);
}
INTERPOSE("lets a socket take connections" CHECKED, int, listen, int fd, int backlog) noexcept {
  return Addressed(fd, SocketStep::kListening, nullptr, 0, real::listen, fd, backlog);
}
INTERPOSE("connects a socket" CHECKED, int, connect, int fd, const sockaddr* address, socklen_t size) {
  return Connected(fd, address, size, real::connect, fd, address, size);
}
INTERPOSE("connects a socket" CHECKED, int, __connect, int fd, const sockaddr* address, socklen_t size) {
  return Connected(fd, address, size, real::__connect, fd, address, size);
}
