// POSIX message queues. Their descriptors are ordinary ones, which close(2) closes too.

#include <mqueue.h>
#include <sys/socket.h>

#include <cstdarg>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/events/kept.h"
#include "shim/families/means.h"
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
INTERPOSE("uses; may open a socket, which libc keeps" CHECKED, int, mq_notify, mqd_t queue, const sigevent* how)
noexcept {
  const int result = Keeping(kept_notifications, real::mq_notify, queue, how);
  if (__builtin_expect(result == -1 && LastError() == EBADF, 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(real::mq_notify), {queue});
  }
  return result;
}
INTERPOSE("closes", int, mq_close, mqd_t queue) noexcept { return Closed(queue, real::mq_close, queue); }

INTERPOSE(WRITES, int, mq_send, mqd_t queue, const char* message, size_t size, unsigned int priority) {
  return Used(queue, real::mq_send, queue, message, size, priority);
}
INTERPOSE(WRITES, int, mq_timedsend, mqd_t queue, const char* message, size_t size, unsigned int priority,
          const timespec* until) {
  return Used(queue, real::mq_timedsend, queue, message, size, priority, until);
}
INTERPOSE(READS, ssize_t, mq_receive, mqd_t queue, char* message, size_t size, unsigned int* priority) {
  return Used(queue, real::mq_receive, queue, message, size, priority);
}
INTERPOSE(READS, ssize_t, mq_timedreceive, mqd_t queue, char* message, size_t size, unsigned int* priority,
          const timespec* until) {
  return Used(queue, real::mq_timedreceive, queue, message, size, priority, until);
}
INTERPOSE(USES, int, mq_getattr, mqd_t queue, mq_attr* out) noexcept {
  return Used(queue, real::mq_getattr, queue, out);
}
INTERPOSE(USES, int, mq_setattr, mqd_t queue, const mq_attr* attributes, mq_attr* before) noexcept {
  return Used(queue, real::mq_setattr, queue, attributes, before);
}
