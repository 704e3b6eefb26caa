// Sockets.

#include <sys/socket.h>

#include "shim/events.h"
#include "shim/families/new_descriptors.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a socket", int, socket, int domain, int type, int protocol) noexcept {
  return Opened(NewSocket(domain, type), real::socket, domain, type, protocol);
}
INTERPOSE("opens two connected sockets", int, socketpair, int domain, int type, int protocol, int* fds) noexcept {
  return OpenedPair(NewSocket(domain, type), fds, real::socketpair, domain, type, protocol, fds);
}
INTERPOSE("opens a connection's socket", int, accept, int fd, sockaddr* address, socklen_t* size) {
  return Opened(NewConnection(0), real::accept, fd, address, size);
}
INTERPOSE("opens a connection's socket", int, accept4, int fd, sockaddr* address, socklen_t* size, int flags) {
  return Opened(NewConnection(flags), real::accept4, fd, address, size, flags);
}
