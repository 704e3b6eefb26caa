// The remote shells of old: connections that libc makes itself, and the sockets that they begin with.

#include <netdb.h>
#include <sys/socket.h>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/new_descriptors.h"

namespace fdaudit::shim {
namespace {

/// `errors` (may be null) gets a second connection's descriptor.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Connected(int domain, int* errors, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  int fd = function(arguments...);
  if (fd >= 0) {
    fd = OutOfRest(site, fd);
    RecordOpened(site, fd, NewSocket(domain, SOCK_STREAM));
    if (errors == nullptr) return fd;
    *errors = OutOfRest(site, *errors);
    RecordOpened(site, *errors, NewSocket(domain, SOCK_STREAM));
  } else if (IsTableFull(LastError())) {
    RecordOpenFailed(site);
  }
  return fd;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a socket on a privileged port", int, rresvport, int* port) {
  return Opened(NewSocket(AF_INET, SOCK_STREAM), real::rresvport, port);
}
INTERPOSE("opens a socket on a privileged port", int, rresvport_af, int* port, sa_family_t domain) {
  return Opened(NewSocket(domain, SOCK_STREAM), real::rresvport_af, port, domain);
}
INTERPOSE("opens a connection, or two, to a remote command", int, rcmd, char** host, unsigned short port,
          const char* local_user, const char* remote_user, const char* command, int* errors) {
  return Connected(AF_INET, errors, real::rcmd, host, port, local_user, remote_user, command, errors);
}
INTERPOSE("opens a connection, or two, to a remote command", int, rcmd_af, char** host, unsigned short port,
          const char* local_user, const char* remote_user, const char* command, int* errors, sa_family_t domain) {
  return Connected(domain, errors, real::rcmd_af, host, port, local_user, remote_user, command, errors, domain);
}
INTERPOSE("opens a connection, or two, to a remote command", int, rexec, char** host, int port, const char* user,
          const char* password, const char* command, int* errors) {
  return Connected(AF_INET, errors, real::rexec, host, port, user, password, command, errors);
}
INTERPOSE("opens a connection, or two, to a remote command", int, rexec_af, char** host, int port, const char* user,
          const char* password, const char* command, int* errors, sa_family_t domain) {
  return Connected(domain, errors, real::rexec_af, host, port, user, password, command, errors, domain);
}
