// POSIX message queues. Their descriptors are ordinary ones, which close(2) closes too.

#include <mqueue.h>
#include <sys/socket.h>

#include <cstdarg>

#include "shim/events/events.h"
#include "shim/events/kept.h"
#include "shim/families/new_descriptors.h"

extern "C" mqd_t __mq_open_2(const char*, int) noexcept;  // mq_open under _FORTIFY_SOURCE

namespace fdaudit::shim {
namespace {

constinit Kept kept_notifications = {{}, false, AF_NETLINK};

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a message queue", mqd_t, mq_open, const char* name, int flags, ...) noexcept {
  // Garbage where the caller gave none: looked at with O_CREAT only.
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  auto* attributes = va_arg(arguments, mq_attr*);
  va_end(arguments);
  return Opened(NewMessageQueue(name), real::mq_open, name, flags, mode, attributes);
}
INTERPOSE("opens a message queue", mqd_t, __mq_open_2, const char* name, int flags) noexcept {
  return Opened(NewMessageQueue(name), real::__mq_open_2, name, flags);
}
// Where a function is to be called (SIGEV_THREAD), libc waits for the queue on a netlink socket, once for all queues.
INTERPOSE("may open a socket, which libc keeps", int, mq_notify, mqd_t queue, const sigevent* how) noexcept {
  return Keeping(kept_notifications, real::mq_notify, queue, how);
}
INTERPOSE("closes", int, mq_close, mqd_t queue) noexcept { return Closed(queue, real::mq_close, queue); }
