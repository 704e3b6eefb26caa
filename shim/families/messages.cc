// Messages that may bring descriptors.

#include <sys/socket.h>

#include "shim/events/events.h"
#include "shim/families/means.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("receives descriptors with a message (SCM_RIGHTS, SCM_PIDFD)" CHECKED, ssize_t, recvmsg, int fd,
          msghdr* message, int flags) {
  return Received(fd, message, flags, real::recvmsg, fd, message, flags);
}
INTERPOSE("receives descriptors with messages (SCM_RIGHTS, SCM_PIDFD)" CHECKED, int, recvmmsg, int fd,
          mmsghdr* messages, unsigned int count, int flags, timespec* timeout) {
  return ReceivedMany(fd, messages, flags, real::recvmmsg, fd, messages, count, flags, timeout);
}
