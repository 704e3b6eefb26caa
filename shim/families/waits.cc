// poll(2) and select(2). They fail for none of many numbers, but say of each (POLLNVAL), or of all of them (EBADF).

#include <poll.h>
#include <sys/select.h>

#include "shim/events/events.h"
#include "shim/families/means.h"

// What _FORTIFY_SOURCE makes of them, and libc's own names.
extern "C" {
int __poll(pollfd*, nfds_t, int);
int __poll_chk(pollfd*, nfds_t, int, size_t);
int __ppoll_chk(pollfd*, nfds_t, const timespec*, const sigset_t*, size_t);
int __select(int, fd_set*, fd_set*, fd_set*, timeval*);
}

namespace fdaudit::shim {
namespace {

/// ppoll's timeout is the program's memory, which the kernel has read, where the call succeeded.
bool Waits(const timespec* timeout) { return timeout == nullptr || timeout->tv_sec != 0 || timeout->tv_nsec != 0; }

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE(WAITS, int, poll, pollfd* entries, nfds_t count, int timeout) {
  return Polled(
      entries, count, [=] { return timeout != 0; }, real::poll, entries, count, timeout);
}
INTERPOSE(WAITS, int, __poll, pollfd* entries, nfds_t count, int timeout) {
  return Polled(
      entries, count, [=] { return timeout != 0; }, real::__poll, entries, count, timeout);
}
INTERPOSE(WAITS, int, __poll_chk, pollfd* entries, nfds_t count, int timeout, size_t room) {
  return Polled(
      entries, count, [=] { return timeout != 0; }, real::__poll_chk, entries, count, timeout, room);
}
INTERPOSE(WAITS, int, ppoll, pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return Polled(
      entries, count, [=] { return Waits(timeout); }, real::ppoll, entries, count, timeout, mask);
}
INTERPOSE(WAITS, int, __ppoll_chk, pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask,
          size_t room) {
  return Polled(
      entries, count, [=] { return Waits(timeout); }, real::__ppoll_chk, entries, count, timeout, mask, room);
}
INTERPOSE(WAITS, int, select, int count, fd_set* reads, fd_set* writes, fd_set* others, timeval* timeout) {
  return Selected(count, reads, writes, others, real::select, count, reads, writes, others, timeout);
}
INTERPOSE(WAITS, int, __select, int count, fd_set* reads, fd_set* writes, fd_set* others, timeval* timeout) {
  return Selected(count, reads, writes, others, real::__select, count, reads, writes, others, timeout);
}
INTERPOSE(WAITS, int, pselect, int count, fd_set* reads, fd_set* writes, fd_set* others, const timespec* timeout,
          const sigset_t* mask) {
  return Selected(count, reads, writes, others, real::pselect, count, reads, writes, others, timeout, mask);
}
