// poll(2) and select(2). They fail for none of many numbers, but say of each (POLLNVAL), or of all of them (EBADF).

#include <poll.h>
#include <sys/select.h>

#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/ledger/pipe_watch.h"
#include "shim/stack/range.h"

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

/// The only number that is asked about, -1 where there are none or several. The program's memory is looked at where
/// that is known to be possible before the kernel has looked: on this thread's stack.
int OnlyNumber(uintptr_t place, nfds_t count, uintptr_t frame) {
  if (count != 1 || place % alignof(pollfd) != 0) return -1;
  return StackRange(frame).Covers(place & ~uintptr_t{7}) ? reinterpret_cast<const pollfd*>(place)->fd : -1;
}

/// A wait for one number, and no question.
template <typename Wait, typename Function, typename... A>
__attribute__((always_inline)) inline int PolledOne(const pollfd* entries, nfds_t count, Wait waits, bool for_ever,
                                                    Function& function, A... arguments) {
  const int fd =
      OnlyNumber(reinterpret_cast<uintptr_t>(entries), count, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)));
  FDAUDIT_INSIDE(function, fd);
  if (__builtin_expect(!for_ever || !IsWatchedPipe(fd), 1))
    return Polled(entries, count, waits, function, arguments...);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const bool noted = RecordPipeReading(site.caller, site.call, site.began, fd);
  const int result = Polled(entries, count, waits, function, arguments...);
  if (noted) RecordPipeRead(fd, site.began, false);
  return result;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE(WAITS, int, poll, pollfd* entries, nfds_t count, int timeout) {
  return PolledOne(
      entries, count, [=] { return timeout != 0; }, timeout < 0, real::poll, entries, count, timeout);
}
INTERPOSE(WAITS, int, __poll, pollfd* entries, nfds_t count, int timeout) {
  return PolledOne(
      entries, count, [=] { return timeout != 0; }, timeout < 0, real::__poll, entries, count, timeout);
}
INTERPOSE(WAITS, int, __poll_chk, pollfd* entries, nfds_t count, int timeout, size_t room) {
  return PolledOne(
      entries, count, [=] { return timeout != 0; }, timeout < 0, real::__poll_chk, entries, count, timeout, room);
}
INTERPOSE(WAITS, int, ppoll, pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  return PolledOne(
      entries, count, [=] { return Waits(timeout); }, timeout == nullptr, real::ppoll, entries, count, timeout, mask);
}
INTERPOSE(WAITS, int, __ppoll_chk, pollfd* entries, nfds_t count, const timespec* timeout, const sigset_t* mask,
          size_t room) {
  return PolledOne(
      entries, count, [=] { return Waits(timeout); }, timeout == nullptr, real::__ppoll_chk, entries, count, timeout,
      mask, room);
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
