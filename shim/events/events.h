#pragma once

// The verbs: what a call did to descriptors. An interposer is one line: a verb, the real function, its arguments. The
// verb calls it, records, keeps errno, and returns what the real function returned.
//
// A verb is inlined into the interposer, because the walk starts from the interposer's own stack frame; the recording
// itself is an ordinary function behind it. The guard is held around the recording only, never around the real call.

#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <utility>

#include "shim/base/clock.h"
#include "shim/base/options.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/quarantine.h"
#include "shim/interpose/interpose.h"
#include "shim/ledger/inside.h"
#include "shim/ledger/last_use.h"
#include "shim/ledger/ledger.h"
#include "shim/ledger/received.h"
#include "shim/stack/walk.h"

namespace fdaudit::shim {

/// A call of an intercepted function, as recording needs it.
struct CallSite {
  CallerRegisters caller;
  uint16_t call;
  uint64_t began;  ///< stamp before the real call
};

#define FDAUDIT_CALL_SITE(real_function) \
  CallSite { FDAUDIT_CALLER_REGISTERS(), CallNumber(real_function), Stamp() }

/// An owner without a descriptor (a stream in memory).
inline constexpr int kNoDescriptor = INT_MIN;

/// A close between its recording and its return.
struct PendingClose {
  CloseTicket ticket;
  trace::Act act = {};
  bool recorded = false;
  bool by_range = false;  ///< close_range of one number, which does not fail where that is not open
};

void RecordOpened(const CallSite& site, int fd, const NewDescriptor& what);
void RecordOpenedPair(const CallSite& site, const int (&fds)[2], const NewDescriptor (&ends)[2]);
void RecordOpenFailed(const CallSite& site);
/// A call may have opened `fd`: so it has, if the kernel has it open and the ledger has not.
void RecordFoundOpen(const CallSite& site, int fd);
/// How a duplicate's number is chosen.
enum class Placement { kLowest, kAtLeast, kExactly };
void RecordDuplicated(const CallSite& site, int from, int to, uint8_t flags, Placement placement);
/// A copy of `fd` was asked for (F_DUPFD), and there was nothing.
void RecordAskedInVain(const CallSite& site, int fd);
/// `address`: as SocketStep says, readable where `size` is not 0.
void RecordAddressed(const CallSite& site, int fd, SocketStep step, const sockaddr* address, socklen_t size);
/// `flags`: recvmsg's. Numbers that rest are changed in the message.
void RecordReceived(const CallSite& site, int socket, const msghdr& message, int flags);
PendingClose RecordClosing(const CallSite& site, int fd);
/// `closer`: who asks for the close (owner.h): kNobody = any caller that knows the number.
void RecordClosed(const CallSite& site, int fd, const PendingClose& pending, int error, OwnerTag closer);
/// Before a FILE* or DIR* (`owner_flag`) is closed: whether `fd` is its own, as far as is known. A number that nobody
/// is known to hold (stdin's) becomes the stream's.
bool RecordedHolder(int fd, uint8_t owner_flag, const void* owner);
/// The stream looks closed, and is about to be closed again, after which libc may abort the program. True: that is
/// recorded, and there is nothing at `fd` that the call could close.
bool RecordClosedAgain(const CallSite& site, int fd, uint8_t owner_flag, const void* owner);
/// Whether a close_range of `fd` alone is a close like any other: not beside other ranges of a sweep.
bool ClosesOne(const CallSite& site, int fd);
void RecordClosingRange(const CallSite& site, uint32_t first, uint32_t last, PendingClose* pending);
void RecordRangeFailed(uint32_t first, uint32_t last, const PendingClose& pending);
/// Something else than a close has closed the incarnation `count` of `fd`, as is found out afterwards.
void RecordClosedInside(const CallSite& site, int fd, uint32_t count);
void RecordCloseOnExec(const CallSite& site, int fd, bool on);
void RecordCloseOnExecRange(const CallSite& site, uint32_t first, uint32_t last);
void RecordAdopted(const CallSite& site, int fd, uint8_t owner_flag, const void* owner);
/// `owner` takes over from `expected`. Where `is_told`, that this one has lost it is a finding.
void RecordOwnerExchanged(const CallSite& site, int fd, OwnerTag expected, OwnerTag owner, bool is_told);
/// The tag of what holds `fd`.
OwnerTag RecordedOwner(int fd);
/// `fd` is left open on purpose.
void RecordLeftOpen(int fd);
/// freopen: `before` became `after` (kNoDescriptor: it failed, and the old stream is closed).
void RecordReopened(const CallSite& site, int before, int after, const NewDescriptor& what, const void* owner);
/// In a process that libc has just forked: 0, 1 and 2 were given what it opened.
void RecordOpenedOntoStandard(const CallSite& site, const NewDescriptor& what);
/// A call that serves another purpose has closed `fd`, which only the kernel knows. Nothing where it is open.
void RecordClosedInside(const CallSite& site, int fd);
/// The descriptors that a call was given, one of which may be the reason why it failed.
struct UsedNumbers {
  int fd;
  int other = kNoDescriptor;
  bool has_mode = true;  ///< EBADF may also mean that the access mode of what is open forbids the call
};
/// A use of one of `numbers` failed for `error`: EBADF or ENOTSOCK.
void RecordBadUse(const CallSite& site, int fd, int other, bool has_mode, int error);
/// As scalars, which need no memory on the path of a call that succeeds.
__attribute__((always_inline)) inline void RecordBadUse(const CallSite& site, UsedNumbers numbers, int error = EBADF) {
  RecordBadUse(site, numbers.fd, numbers.other, numbers.has_mode, error);
}
/// The same of all numbers in select(2)'s sets (nullptr: none), of which the kernel looks at `count`.
void RecordBadSets(const CallSite& site, int count, const fd_set* reads, const fd_set* writes, const fd_set* others);
/// The same of what `message` was to pass on over `socket`.
void RecordBadMessage(const CallSite& site, int socket, const msghdr& message);
/// Whether pidfd_getfd's `process` stands for this one, whose numbers it copies.
bool IsOwnProcess(int process);
/// `fd` is watched by the epoll set `set` from now on, or no more.
void RecordRegistered(const CallSite& site, int fd, int set, bool on);
/// `fd` refers to something else now.
void RecordTarget(int fd, const char* target);
void RecordForked(const CallSite& site, int pid);
/// The process leads a session of its own from now on.
void RecordSession(const CallSite& site);
/// Whether the caller, by parting from those with whom it shares its table, would part from the ledger's.
bool LeavesTable();
/// unshare(CLONE_FILES), or close_range's CLOSE_RANGE_UNSHARE, has succeeded.
void RecordUnshared(const CallSite& site);
/// Before libc starts a program. Returns the number of the record that awaits it (process/spawn.h), 0 = none.
uint32_t RecordSpawning(const CallSite& site);
/// What libc does to the table of the program to come.
struct ChildAction {
  enum class What : uint8_t { kCopies, kOpens, kCloses, kClosesFrom };
  What what;
  int fd;         ///< the number in the program; kClosesFrom: it and all above
  int from = -1;  ///< kCopies: the number that it was
};
void RecordChildAction(const CallSite& site, uint32_t image, const ChildAction& action);
/// `pid`: 0 = unknown, negative = it was not started, for `error`.
void RecordSpawned(const CallSite& site, uint32_t image, int pid, int error);
/// `problem`: why the program will not be audited.
uint32_t RecordExec(const CallSite& site, const char* target, trace::ExecProblem problem, bool is_known);
void RecordExecFailed(const CallSite& site);

/// Before a call of `function` that uses `fd`; for the interposer itself, as FDAUDIT_CALLER_REGISTERS is.
template <typename Function>
__attribute__((always_inline)) inline void NoteUse(const Function& function, int fd) {
  const CallerRegisters caller = FDAUDIT_CALLER_REGISTERS();
  if (fd < 0 || WasLastUser(fd, caller.pc) || options.last_use == Options::LastUse::kNothing) return;
  NoteLastUse(caller, CallNumber(function), fd);
}

/// Around a call of `function` on `fd` that may block.
#define FDAUDIT_INSIDE(function, fd) const InsideCall inside_call(FDAUDIT_CALLER_REGISTERS(), CallNumber(function), fd)

inline bool IsTableFull(int error) { return error == EMFILE || error == ENFILE; }

/// What says that a call was given a wrong number. That it is no socket is so only where one had the number before.
inline bool BlamesNumber(int error) { return error == EBADF || error == ENOTSOCK; }

/// Room for the text of what a descriptor refers to.
using TargetText = char[trace::kTargetSize];

/// What is known so far of what `fd` refers to; empty where nothing is.
void RecordedTarget(int fd, TargetText& text);
/// The same with kind and detail, where the ledger knows it.
void RecordedDescriptor(int fd, NewDescriptor* out, TargetText& text);

/// What a call opened: a NewDescriptor, or a function NewDescriptor(TargetText&) that is asked once the call has
/// succeeded, because it reads the program's memory (which before the call may be anything) or writes a text.
inline const NewDescriptor& Describe(const NewDescriptor& what, TargetText& /*text*/) { return what; }
template <typename What>
NewDescriptor Describe(const What& what, TargetText& text) {
  return what(text);
}

/// A call that uses descriptors, and fails with -1 (or MAP_FAILED).
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto UsedAny(UsedNumbers numbers, Function& function, A... arguments) {
  NoteUse(function, numbers.fd);
  NoteUse(function, numbers.other);
  const auto result = function(arguments...);
  if (__builtin_expect((long)result == -1 && BlamesNumber(LastError()), 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(function), numbers, LastError());
  }
  return result;
}

/// The same for one that reads from `fd` and writes to `other`, or takes two directories.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto UsedBoth(int fd, int other, Function& function, A... arguments) {
  return UsedAny({fd, other}, function, arguments...);
}

template <typename Function, typename... A>
__attribute__((always_inline)) inline auto Used(int fd, Function& function, A... arguments) {
  return UsedAny({fd}, function, arguments...);
}

/// A call that uses `fd` and returns an error number.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int UsedForError(int fd, Function& function, A... arguments) {
  NoteUse(function, fd);
  const int error = function(arguments...);
  if (__builtin_expect(error == EBADF, 0)) RecordBadUse(FDAUDIT_CALL_SITE(function), {fd});
  return error;
}

/// A call that uses `fd`, and returns nullptr where it failed.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto UsedForText(int fd, Function& function, A... arguments) {
  NoteUse(function, fd);
  const auto result = function(arguments...);
  if (__builtin_expect(result == nullptr && LastError() == EBADF, 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(function), {fd});
  }
  return result;
}

/// sendmsg(2) and sendmmsg(2): `message` is the program's, and known to be one where the kernel has read it.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto Sent(int socket, const msghdr* message, Function& function, A... arguments) {
  NoteUse(function, socket);
  const auto result = function(arguments...);
  if (__builtin_expect(result == -1 && LastError() == EBADF, 0)) {
    RecordBadMessage(FDAUDIT_CALL_SITE(function), socket, *message);
  } else if (__builtin_expect(result == -1 && LastError() == ENOTSOCK, 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(function), {socket}, ENOTSOCK);
  }
  return result;
}

/// Whether a poll looks through the numbers from 0 on, or through a range of which it finds most closed: it asks which
/// are open, whatever events it names (xargs does so before it starts a program).
inline bool LooksThroughNumbers(const pollfd* entries, nfds_t count) {
  constexpr nfds_t kFewestFromZero = 3;
  constexpr nfds_t kFewest = 8;
  nfds_t closed = 0;
  for (nfds_t i = 0; i < count; ++i) {
    if (entries[i].fd != entries[0].fd + static_cast<int>(i) || entries[i].events != entries[0].events) return false;
    closed += (entries[i].revents & POLLNVAL) != 0 ? 1 : 0;
  }
  return entries[0].fd == 0 ? count >= kFewestFromZero : count >= kFewest && closed > count / 2;
}

/// poll(2): what is no number of this process's comes back as POLLNVAL. One that does not wait, and asks for no event
/// or for a whole range, asks just that.
template <typename Waits, typename Function, typename... A>
__attribute__((always_inline)) inline int Polled(const pollfd* entries, nfds_t count, Waits waits, Function& function,
                                                 A... arguments) {
  const int result = function(arguments...);
  int left = result;
  for (nfds_t i = 0; left > 0 && i < count; ++i) {
    if (entries[i].revents == 0) continue;
    --left;
    if (__builtin_expect((entries[i].revents & POLLNVAL) == 0, 1)) continue;
    if (waits() || (entries[i].events != 0 && !LooksThroughNumbers(entries, count))) {
      RecordBadUse(FDAUDIT_CALL_SITE(function), {entries[i].fd, kNoDescriptor, false});
    }
  }
  return result;
}

/// select(2). The sets are as the caller gave them where it failed.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Selected(int count, const fd_set* reads, const fd_set* writes,
                                                   const fd_set* others, Function& function, A... arguments) {
  const int result = function(arguments...);
  if (__builtin_expect(result == -1 && LastError() == EBADF, 0)) {
    RecordBadSets(FDAUDIT_CALL_SITE(function), count, reads, writes, others);
  }
  return result;
}

/// A call that returns a new descriptor or -1.
template <typename What, typename Function, typename... A>
__attribute__((always_inline)) inline int Opened(const What& what, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  int fd = function(arguments...);
  if (fd >= 0) {
    TargetText text;
    fd = OutOfRest(site, fd);
    RecordOpened(site, fd, Describe(what, text));
  } else if (IsTableFull(LastError())) {
    RecordOpenFailed(site);
  }
  return fd;
}

/// The same for a call that opens by way of the descriptor `from`.
template <typename What, typename Function, typename... A>
__attribute__((always_inline)) inline int OpenedFrom(UsedNumbers from, const What& what, Function& function,
                                                     A... arguments) {
  NoteUse(function, from.fd);
  const int fd = Opened(what, function, arguments...);
  if (__builtin_expect(fd < 0 && BlamesNumber(LastError()), 0)) {
    RecordBadUse(FDAUDIT_CALL_SITE(function), from, LastError());
  }
  return fd;
}
template <typename What, typename Function, typename... A>
__attribute__((always_inline)) inline int OpenedFrom(int from, const What& what, Function& function, A... arguments) {
  return OpenedFrom(UsedNumbers{from}, what, function, arguments...);
}

/// A call that fills two descriptors and returns 0 or -1.
template <typename What, typename Function, typename... A>
__attribute__((always_inline)) inline int OpenedPair(const What& what, int* fds, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int result = function(arguments...);
  if (result == 0) {
    TargetText text;
    for (int i = 0; i < 2; ++i) fds[i] = OutOfRest(site, fds[i]);
    const NewDescriptor end = Describe(what, text);
    RecordOpenedPair(site, {fds[0], fds[1]}, {end, end});
  } else if (IsTableFull(LastError())) {
    RecordOpenFailed(site);
  }
  return result;
}

/// A call that returns a FILE* or DIR*; `number` returns its descriptor (negative: has none).
template <typename Owner, typename Number, typename Function, typename... A>
__attribute__((always_inline)) inline Owner* OpenedOwner(NewDescriptor what, Number number, Function& function,
                                                         A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  Owner* owner = function(arguments...);
  if (owner == nullptr) {
    if (IsTableFull(LastError())) RecordOpenFailed(site);
    return nullptr;
  }
  what.owner = owner;
  const int fd = number(owner);
  if (fd >= 0) RecordOpened(site, fd, what);
  return owner;
}

/// A call that makes a FILE* or DIR* of a descriptor.
template <typename Owner, typename Function, typename... A>
__attribute__((always_inline)) inline Owner* Adopted(int fd, uint8_t owner_flag, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  Owner* owner = function(arguments...);
  if (owner != nullptr) {
    RecordAdopted(site, fd, owner_flag, owner);
  } else if (LastError() == EBADF) {
    RecordBadUse(site, {fd});
  }
  return owner;
}

/// A call that duplicates `from` to the number it returns.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Duplicated(int from, uint8_t flags, Placement placement, Function& function,
                                                     A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  int fd = function(arguments...);
  if (fd >= 0) {
    if (placement != Placement::kExactly) fd = OutOfRest(site, fd, Reference::kAnother);
    RecordDuplicated(site, from, fd, flags, placement);
  } else if (IsTableFull(LastError())) {
    RecordOpenFailed(site);
  } else if (placement == Placement::kAtLeast && LastError() == EBADF) {
    RecordAskedInVain(site, from);
  }
  return fd;
}

/// The same onto a given number. Onto itself it does nothing, and asks whether the number is open.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int DuplicatedTo(int from, int to, uint8_t flags, Function& function,
                                                       A... arguments) {
  if (from == to) return function(arguments...);
  const int fd = Duplicated(from, flags, Placement::kExactly, function, arguments...);
  if (__builtin_expect(fd < 0 && LastError() == EBADF, 0)) {
    // A number above the limit is refused like one that is not open.
    RecordBadUse(FDAUDIT_CALL_SITE(function), {from, to < 0 ? to : kNoDescriptor, false});
  }
  return fd;
}

/// fcntl(2).
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Controlled(int fd, int command, uintptr_t argument, Function& function,
                                                     A... arguments) {
  switch (command) {
    case F_DUPFD:
      return Duplicated(fd, 0, Placement::kAtLeast, function, arguments...);
    case F_DUPFD_CLOEXEC:
      return Duplicated(fd, trace::kCloseOnExec, Placement::kAtLeast, function, arguments...);
    case F_SETFD: {
      const CallSite site = FDAUDIT_CALL_SITE(function);
      const int result = function(arguments...);
      if (result == 0) RecordCloseOnExec(site, fd, (argument & FD_CLOEXEC) != 0);
      return result;
    }
    case F_GETFD:
    case F_GETFL:
      return function(arguments...);
    default:
      return Used(fd, function, arguments...);
  }
}

/// bind(2), listen(2).
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Addressed(int fd, SocketStep step, const sockaddr* address, socklen_t size,
                                                    Function& function, A... arguments) {
  NoteUse(function, fd);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int result = function(arguments...);
  if (result == 0) {
    RecordAddressed(site, fd, step, address, size);
  } else if (BlamesNumber(LastError())) {
    RecordBadUse(site, {fd}, LastError());
  }
  return result;
}

/// connect(2). It goes on in the background where it says so, and where a signal has interrupted it.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Connected(int fd, const sockaddr* address, socklen_t size, Function& function,
                                                    A... arguments) {
  NoteUse(function, fd);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int result = function(arguments...);
  if (result == 0) {
    RecordAddressed(site, fd, SocketStep::kConnected, address, size);
  } else if (LastError() == EINPROGRESS || LastError() == EINTR) {
    RecordAddressed(site, fd, SocketStep::kConnecting, address, size);
  } else if (BlamesNumber(LastError())) {
    RecordBadUse(site, {fd}, LastError());
  }
  return result;
}

/// A call that receives a message, and returns its size or -1. Where it brings no control data, looking at the length
/// is all there is to it. `message` is the program's, and may be no address at all until the call has succeeded.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto Received(int socket, const msghdr* message, int flags, Function& function,
                                                    A... arguments) {
  NoteUse(function, socket);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  FDAUDIT_INSIDE(function, socket);
  const auto result = function(arguments...);
  if (__builtin_expect(result < 0, 0)) {
    if (BlamesNumber(LastError())) RecordBadUse(site, {socket}, LastError());
  } else if (message->msg_controllen != 0 && BringsDescriptors(*message)) {
    RecordReceived(site, socket, *message, flags);
  }
  return result;
}

/// A call that receives messages, and returns how many, or -1.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto ReceivedMany(int socket, const mmsghdr* messages, int flags,
                                                        Function& function, A... arguments) {
  NoteUse(function, socket);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const auto result = function(arguments...);
  if (result < 0 && BlamesNumber(LastError())) RecordBadUse(site, {socket}, LastError());
  for (auto i = result * 0; i < result; ++i) {
    const msghdr& message = messages[i].msg_hdr;
    if (message.msg_controllen != 0 && BringsDescriptors(message)) RecordReceived(site, socket, message, flags);
  }
  return result;
}

/// epoll_ctl(2). What is taken out may have been closed before.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Registered(int set, int operation, int fd, Function& function,
                                                     A... arguments) {
  NoteUse(function, set);
  NoteUse(function, fd);
  constexpr int kAdd = 1;  // EPOLL_CTL_ADD
  constexpr int kDelete = 2;
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int result = function(arguments...);
  if (result == 0 && (operation == kAdd || operation == kDelete)) RecordRegistered(site, fd, set, operation == kAdd);
  if (__builtin_expect(result == -1 && operation != kDelete && LastError() == EBADF, 0)) {
    RecordBadUse(site, {fd, set, false});
  }
  return result;
}

/// A call that changes what `fd` refers to, and returns it or -1.
template <typename What, typename Function, typename... A>
__attribute__((always_inline)) inline int Retargeted(int fd, const What& what, Function& function, A... arguments) {
  const int result = static_cast<int>(Used(fd, function, arguments...));
  if (result >= 0) {
    TargetText text;
    RecordTarget(fd, Describe(what, text).target);
  }
  return result;
}

/// A call that closes `fd` (kNoDescriptor: none) and returns 0 (pclose: a status), or -1 with errno.
template <OwnerTag closer = kNobody, typename Function, typename... A>
__attribute__((always_inline)) inline int Closed(int fd, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const PendingClose pending = RecordClosing(site, fd);
  const int result = function(arguments...);
  RecordClosed(site, fd, pending, result != -1 ? 0 : LastError(), closer);
  return result;
}

/// The same for what flushes before it closes: its EBADF may be the flush's (a stream on a read-only descriptor), and
/// is one about closing only where the ledger knows that the number was closed before.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int ClosedOwner(int fd, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const PendingClose pending = RecordClosing(site, fd);
  const int result = function(arguments...);
  RecordClosed(site, fd, pending, result != -1 || pending.ticket.found == CloseTicket::Found::kOpen ? 0 : LastError(),
               kItsStream);
  return result;
}

/// close_range(2): what it will do is known beforehand, but for a lack of memory, which is put right afterwards.
template <typename Function, typename... A>
__attribute__((always_inline)) inline int ClosedRange(unsigned first, unsigned last, unsigned flags, Function& function,
                                                      A... arguments) {
  // Older headers lack them.
  constexpr unsigned kUnshares = 1u << 1;   // CLOSE_RANGE_UNSHARE
  constexpr unsigned kOnlyMarks = 1u << 2;  // CLOSE_RANGE_CLOEXEC
  const CallSite site = FDAUDIT_CALL_SITE(function);
  if ((flags & kUnshares) != 0 && LeavesTable()) {
    const int result = function(arguments...);
    if (result == 0) RecordUnshared(site);
    return result;
  }
  if (first == last && flags == 0 && ClosesOne(site, static_cast<int>(first))) {
    PendingClose one = RecordClosing(site, static_cast<int>(first));
    one.by_range = true;
    const int result = function(arguments...);
    const bool was_open = one.ticket.found == CloseTicket::Found::kOpen;
    RecordClosed(site, static_cast<int>(first), one, result != 0 ? LastError() : was_open ? 0 : EBADF, kNobody);
    return result;
  }
  const bool marks_only = (flags & kOnlyMarks) != 0;
  PendingClose pending;
  if (first <= last && !marks_only) RecordClosingRange(site, first, last, &pending);
  const int result = function(arguments...);
  if (result != 0) {
    RecordRangeFailed(first, last, pending);
  } else if (marks_only) {
    RecordCloseOnExecRange(site, first, last);
  }
  return result;
}

}  // namespace fdaudit::shim
