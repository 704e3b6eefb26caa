// syscall(2): every system call that opens, copies or closes descriptors, makes a process, replaces or ends it, made by
// number. libuv closes this way, to be no cancellation point; what libc has no function for is always called so.
//
// kRows says what a number means. Most open one descriptor, and differ only in what it is; for them a row is all there
// is. What remains is a verb each, in Make().

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>

#include "shim/events/clone.h"
#include "shim/events/daemon.h"
#include "shim/events/events.h"
#include "shim/events/memory_lock.h"
#include "shim/families/ioctl_opens.h"
#include "shim/families/means.h"
#include "shim/families/new_descriptors.h"
#include "shim/families/syscall_uses.h"
#include "shim/ledger/lifetime.h"
#include "shim/trace/recorder.h"

// Newer than the oldest headers that this builds with. From 424 on, numbers are the same on every architecture.
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

namespace fdaudit::shim {
namespace {

using trace::FdKind;

/// A call's arguments, read as each of them is meant.
struct Arguments {
  long values[6];

  int Int(int index) const { return static_cast<int>(values[index]); }
  unsigned Unsigned(int index) const { return static_cast<unsigned>(values[index]); }
  const char* Text(int index) const { return reinterpret_cast<const char*>(values[index]); }
  int* Numbers(int index) const { return reinterpret_cast<int*>(values[index]); }
  const sockaddr* Address(int index) const { return reinterpret_cast<const sockaddr*>(values[index]); }
  unsigned long Request(int index) const { return static_cast<unsigned long>(values[index]); }
  const void* Memory(int index) const { return reinterpret_cast<const void*>(values[index]); }
  const fd_set* Set(int index) const { return reinterpret_cast<const fd_set*>(values[index]); }
};

enum class Effect : uint8_t {
  kNone,
  kOpens,           ///< the result is a new descriptor
  kOpensFrom,       ///< the same, by way of the first argument
  kOpensOrChanges,  ///< with a number as the first argument, it changes what that one is
  kOpensTwo,        ///< the array at `ends` gets them
  kDuplicates,
  kDuplicatesTo,
  kControls,
  kOpensByRequest,  ///< some requests of ioctl
  kAsksForProcess,  ///< getsockopt(SO_PEERPIDFD)
  kBinds,
  kListens,
  kConnects,
  kReceives,
  kReceivesMany,
  kCloses,
  kClosesRange,
  kRegisters,
  kPolls,
  kSelects,
  kClones,
  kUnshares,
  kBeginsSession,
  kEndsThread,
  kEndsProcess,
};

struct Row {
  long number;
  Effect effect;
  /// What it opens or becomes; asked once the call has succeeded.
  NewDescriptor (*what)(const Arguments& a, TargetText& text) = nullptr;
  /// Only where this says so (nullptr: always).
  bool (*when)(const Arguments& a) = nullptr;
  int ends = 0;  ///< which argument is kOpensTwo's array
};

// Bits of calls that libc has no function, and so no header, for.
constexpr unsigned kPerfCloseOnExec = 8;  // PERF_FLAG_FD_CLOEXEC
constexpr unsigned kNewListener = 8;      // SECCOMP_FILTER_FLAG_NEW_LISTENER
constexpr unsigned kSetStrict = 0;        // SECCOMP_SET_MODE_STRICT
constexpr unsigned kSetFilter = 1;        // SECCOMP_SET_MODE_FILTER

/// What a command of bpf(2) opens, nullptr where nothing.
const char* BpfObject(int command) {
  switch (command) {
    case 0:   // BPF_MAP_CREATE
    case 14:  // BPF_MAP_GET_FD_BY_ID
      return "map";
    case 5:   // BPF_PROG_LOAD
    case 13:  // BPF_PROG_GET_FD_BY_ID
      return "program";
    case 7:  // BPF_OBJ_GET
      return "pinned object";
    case 17:  // BPF_RAW_TRACEPOINT_OPEN
      return "raw tracepoint";
    case 18:  // BPF_BTF_LOAD
    case 19:  // BPF_BTF_GET_FD_BY_ID
      return "type information";
    case 28:  // BPF_LINK_CREATE
    case 30:  // BPF_LINK_GET_FD_BY_ID
      return "link";
    case 32:  // BPF_ENABLE_STATS
      return "statistics";
    case 33:  // BPF_ITER_CREATE
      return "iterator";
    case 36:  // BPF_TOKEN_CREATE
      return "token";
    default:
      return nullptr;
  }
}

/// From here on the program may open and close without any call.
NewDescriptor NewRing() {
  NoteReason(CurrentImage(), trace::kReasonIoUring);
  return NewObject(FdKind::kIoUring, true);
}

#define FDAUDIT_TELLS(...) \
  []([[maybe_unused]] const Arguments& a, [[maybe_unused]] TargetText& text) -> NewDescriptor { return __VA_ARGS__; }
#define FDAUDIT_WHEN(...) [](const Arguments& a) -> bool { return __VA_ARGS__; }
#define FDAUDIT_OPENS(name, ...) \
  { SYS_##name, Effect::kOpens, FDAUDIT_TELLS(__VA_ARGS__) }
#define FDAUDIT_OPENS_FROM(name, ...) \
  { SYS_##name, Effect::kOpensFrom, FDAUDIT_TELLS(__VA_ARGS__) }

constexpr Row kRows[] = {
    FDAUDIT_OPENS_FROM(openat, NewFileAt(a.Int(0), a.Text(1), a.Int(2), text)),
    FDAUDIT_OPENS_FROM(openat2, NewFileAt(a.Int(0), a.Text(1), a.Memory(2), text)),
    FDAUDIT_OPENS_FROM(open_by_handle_at, NewFile(nullptr, a.Int(2))),
    FDAUDIT_OPENS(memfd_create, NewMemoryFile(a.Text(0), a.Unsigned(1), text)),
    FDAUDIT_OPENS(memfd_secret, NewObject(FdKind::kMemFd, (a.Int(0) & O_CLOEXEC) != 0)),
    FDAUDIT_OPENS(mq_open, NewMessageQueue(a.Text(0))),
    FDAUDIT_OPENS(socket, NewSocket(a.Int(0), a.Int(1), text)),
    FDAUDIT_OPENS_FROM(accept, NewConnection(a.Int(0), {}, 0, text)),
    FDAUDIT_OPENS_FROM(accept4, NewConnection(a.Int(0), {}, a.Int(3), text)),
    {SYS_socketpair, Effect::kOpensTwo, FDAUDIT_TELLS(NewSocketPair(a.Int(0), a.Int(1))), nullptr, 3},
    {SYS_pipe2, Effect::kOpensTwo, FDAUDIT_TELLS(NewPipe(a.Int(1)))},
    FDAUDIT_OPENS(epoll_create1, NewEpollSet(a.Int(0))),
    FDAUDIT_OPENS(eventfd2, NewEvent(a.Unsigned(0), a.Int(1), text)),
    {SYS_signalfd4, Effect::kOpensOrChanges, FDAUDIT_TELLS(NewSignals(a.Memory(1), a.Int(3), text))},
    FDAUDIT_OPENS(timerfd_create, NewTimer(a.Int(0), a.Int(1))),
    FDAUDIT_OPENS(inotify_init1, NewInotify(a.Int(0))),
    FDAUDIT_OPENS(fanotify_init, NewFanotify(a.Unsigned(0))),
    FDAUDIT_OPENS(userfaultfd, NewObject(FdKind::kUserfaultFd, (a.Int(0) & O_CLOEXEC) != 0)),
    FDAUDIT_OPENS(perf_event_open, NewObject(FdKind::kPerfEvent, (a.Unsigned(4) & kPerfCloseOnExec) != 0)),
    FDAUDIT_OPENS(io_uring_setup, NewRing()),
    {SYS_bpf, Effect::kOpens, FDAUDIT_TELLS(NewObject(FdKind::kBpf, true, BpfObject(a.Int(0)))),
     FDAUDIT_WHEN(BpfObject(a.Int(0)) != nullptr)},
    FDAUDIT_OPENS(pidfd_open, NewProcess(a.Int(0), a.Unsigned(1), text)),
    FDAUDIT_OPENS_FROM(pidfd_getfd, NewCopyFrom(a.Int(0))),
    FDAUDIT_OPENS_FROM(open_tree, NewMount(a.Text(1), (a.Unsigned(2) & O_CLOEXEC) != 0)),
    FDAUDIT_OPENS_FROM(open_tree_attr, NewMount(a.Text(1), (a.Unsigned(2) & O_CLOEXEC) != 0)),
    FDAUDIT_OPENS(fsopen, NewMount(a.Text(0), (a.Unsigned(1) & kMountCloseOnExec) != 0)),
    FDAUDIT_OPENS_FROM(fsmount, NewMountOf(a.Int(0), (a.Unsigned(1) & kMountCloseOnExec) != 0, text)),
    FDAUDIT_OPENS_FROM(fspick, NewMount(a.Text(1), (a.Unsigned(2) & kMountCloseOnExec) != 0)),
    // With flags it only returns its version.
    {SYS_landlock_create_ruleset, Effect::kOpens, FDAUDIT_TELLS(NewObject(FdKind::kLandlock, true)),
     FDAUDIT_WHEN(a.Unsigned(2) == 0)},
    {SYS_seccomp, Effect::kOpens, FDAUDIT_TELLS(NewObject(FdKind::kUnknown, true, "seccomp listener")),
     FDAUDIT_WHEN(a.Unsigned(0) == kSetFilter && (a.Unsigned(1) & kNewListener) != 0)},
    {SYS_dup, Effect::kDuplicates},
    {SYS_dup3, Effect::kDuplicatesTo},
    {SYS_fcntl, Effect::kControls},
    {SYS_ioctl, Effect::kOpensByRequest, nullptr, FDAUDIT_WHEN(PlaceOfNumber(a.Request(1)) != kNoNumber)},
    {SYS_getsockopt, Effect::kAsksForProcess, nullptr, FDAUDIT_WHEN(AsksForPeerProcess(a.Int(1), a.Int(2)))},
    {SYS_bind, Effect::kBinds},
    {SYS_listen, Effect::kListens},
    {SYS_connect, Effect::kConnects},
    {SYS_recvmsg, Effect::kReceives},
    {SYS_recvmmsg, Effect::kReceivesMany},
    {SYS_close, Effect::kCloses},
    {SYS_close_range, Effect::kClosesRange},
    {SYS_epoll_ctl, Effect::kRegisters},
    {SYS_ppoll, Effect::kPolls},
    {SYS_pselect6, Effect::kSelects},
    {SYS_clone, Effect::kClones},
    {SYS_clone3, Effect::kClones},
    {SYS_unshare, Effect::kUnshares},
    {SYS_setsid, Effect::kBeginsSession},
    {SYS_exit, Effect::kEndsThread},
    {SYS_exit_group, Effect::kEndsProcess},
#ifdef SYS_open  // What newer architectures leave to the calls above.
    FDAUDIT_OPENS(open, NewFile(a.Text(0), a.Int(1))),
    FDAUDIT_OPENS(creat, NewFile(a.Text(0), O_WRONLY)),
    {SYS_pipe, Effect::kOpensTwo, FDAUDIT_TELLS(NewPipe(0))},
    FDAUDIT_OPENS(epoll_create, NewEpollSet(0)),
    FDAUDIT_OPENS(eventfd, NewEvent(a.Unsigned(0), 0, text)),
    {SYS_signalfd, Effect::kOpensOrChanges, FDAUDIT_TELLS(NewSignals(a.Memory(1), 0, text))},
    FDAUDIT_OPENS(inotify_init, NewInotify(0)),
    {SYS_dup2, Effect::kDuplicatesTo},
    {SYS_poll, Effect::kPolls},
    {SYS_select, Effect::kSelects},
    {SYS_fork, Effect::kClones},
#endif
};

constexpr size_t kNumbers = 512;

/// Row of each number + 1; 0 = a call that is not our business.
struct RowIndex {
  uint8_t rows[kNumbers] = {};
  constexpr RowIndex() {
    for (size_t i = 0; i < sizeof kRows / sizeof *kRows; ++i) rows[kRows[i].number] = static_cast<uint8_t>(i + 1);
  }
};
constexpr RowIndex kIndex;

constexpr Row kOther = {-1, Effect::kNone};

const Row& RowOf(long number, const Arguments& a) {
  const bool known = static_cast<unsigned long>(number) < kNumbers && kIndex.rows[number] != 0;
  if (__builtin_expect(!known, 1)) return kOther;
  const Row& row = kRows[kIndex.rows[number] - 1];
  return row.when == nullptr || row.when(a) ? row : kOther;
}

bool IsAccept(long number) { return number == SYS_accept || number == SYS_accept4; }

/// Whether poll or ppoll was to wait. A time is the program's memory, which the kernel has read.
bool Waits(long number, const Arguments& a) {
  if (number != SYS_ppoll) return a.Int(2) != 0;
  const auto* timeout = static_cast<const timespec*>(a.Memory(2));
  return timeout == nullptr || timeout->tv_sec != 0 || timeout->tv_nsec != 0;
}

/// exit(2) ends the calling thread; with the last one the process ends.
bool IsOnlyThread() { return NeverThreaded() && SystemCallsAllowed() && raw::ThreadId() == raw::Pid(); }

/// Whether a call enters seccomp, if it succeeds; others of the same number ask.
bool EntersSeccomp(long number, const Arguments& a) {
  return (number == SYS_seccomp && a.Unsigned(0) <= kSetFilter) || (number == SYS_prctl && a.Int(0) == PR_SET_SECCOMP);
}

bool EntersStrictMode(long number, const Arguments& a) {
  return number == SYS_seccomp ? a.Unsigned(0) == kSetStrict : a.values[1] == SECCOMP_MODE_STRICT;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposer below is the global namespace's

#if defined(__x86_64__)  // shim/arch has syscall itself, to keep vfork out of here
INTERPOSE_BY_HAND("makes a system call by number: any of the above" CHECKED, long, syscall, long number, ...)
extern "C" __attribute__((visibility("hidden"))) long FdauditSyscall(long number, ...) {
#else
INTERPOSE("makes a system call by number: any of the above" CHECKED, long, syscall, long number, ...) noexcept {
#endif
  Arguments a;
  va_list arguments;
  va_start(arguments, number);
  for (long& value : a.values) value = va_arg(arguments, long);
  va_end(arguments);
  // No structured binding: the lambda below needs names that clang 14 can capture.
  const long v0 = a.values[0], v1 = a.values[1], v2 = a.values[2];
  const long v3 = a.values[3], v4 = a.values[4], v5 = a.values[5];
  auto& made = real::syscall;
  const Row& row = RowOf(number, a);
  const auto what = [&](TargetText& text) { return row.what(a, text); };
  if (__builtin_expect(EntersSeccomp(number, a), 0)) {
    SeccompEntry entry(EntersStrictMode(number, a));
    const bool opens = row.effect == Effect::kOpens;
    const long result = opens ? Opened(what, made, number, v0, v1, v2) : made(number, v0, v1, v2, v3, v4, v5);
    entry.Settle(result < 0);
    return result;
  }
  if (number == SYS_prctl && a.Int(0) == PR_SET_TSC && v1 == PR_TSC_SIGSEGV) recorder.ForgoCounter();
  if (__builtin_expect(number == SYS_mlockall, 0)) return LockedAll(a.Int(0), made, number, v0);
  switch (row.effect) {
    case Effect::kNone:
      break;
    case Effect::kOpens:
      return Opened(what, made, number, v0, v1, v2, v3, v4, v5);
    case Effect::kOpensFrom:
      return OpenedFrom(UsedNumbers{a.Int(0), kNoDescriptor, IsAccept(number)}, what, made, number, v0, v1, v2, v3, v4);
    case Effect::kOpensOrChanges:
      return a.Int(0) < 0 ? Opened(what, made, number, v0, v1, v2, v3)
                          : Retargeted(a.Int(0), what, made, number, v0, v1, v2, v3);
    case Effect::kOpensTwo:
      return OpenedPair(what, a.Numbers(row.ends), made, number, v0, v1, v2, v3);
    case Effect::kDuplicates:
      return Duplicated(a.Int(0), 0, Placement::kLowest, made, number, v0);
    case Effect::kDuplicatesTo: {
      const bool close_on_exec = number == SYS_dup3 && (v2 & O_CLOEXEC) != 0;
      return DuplicatedTo(a.Int(0), a.Int(1), close_on_exec ? fdaudit::trace::kCloseOnExec : 0, made, number, v0, v1,
                          v2);
    }
    case Effect::kControls:
      return Controlled(a.Int(0), a.Int(1), static_cast<uintptr_t>(v2), made, number, v0, v1, v2);
    case Effect::kOpensByRequest:
      return OpenedByRequest(a.Int(0), PlaceOfNumber(a.Request(1)), a.Memory(2), made, number, v0, v1, v2);
    case Effect::kAsksForProcess:
      return OpenedPeerProcess(a.Int(0), a.Numbers(3), made, number, v0, v1, v2, v3, v4);
    case Effect::kBinds:
      return Addressed(a.Int(0), SocketStep::kBound, a.Address(1), a.Unsigned(2), made, number, v0, v1, v2);
    case Effect::kListens:
      return Addressed(a.Int(0), SocketStep::kListening, nullptr, 0, made, number, v0, v1);
    case Effect::kConnects:
      return Connected(a.Int(0), a.Address(1), a.Unsigned(2), made, number, v0, v1, v2);
    case Effect::kReceives:
      return Received(a.Int(0), static_cast<const msghdr*>(a.Memory(1)), a.Int(2), made, number, v0, v1, v2);
    case Effect::kReceivesMany:
      return ReceivedMany(a.Int(0), static_cast<const mmsghdr*>(a.Memory(1)), a.Int(3), made, number, v0, v1, v2, v3,
                          v4);
    case Effect::kCloses:
      return Closed(a.Int(0), made, number, v0);
    case Effect::kClosesRange:
      return ClosedRange(a.Unsigned(0), a.Unsigned(1), a.Unsigned(2), made, number, v0, v1, v2);
    case Effect::kRegisters:
      return Registered(a.Int(0), a.Int(1), a.Int(2), made, number, v0, v1, v2, v3);
    case Effect::kPolls:
      return Polled(
          static_cast<const pollfd*>(a.Memory(0)), static_cast<nfds_t>(v1), [=] { return Waits(number, a); }, made,
          number, v0, v1, v2, v3, v4);
    case Effect::kSelects:
      return Selected(a.Int(0), a.Set(1), a.Set(2), a.Set(3), made, number, v0, v1, v2, v3, v4, v5);
    case Effect::kClones:
      return ClonedByNumber(FDAUDIT_CALL_SITE(made), number, a.values,
                            [&] { return made(number, v0, v1, v2, v3, v4, v5); });
    case Effect::kUnshares:
      return Unshared(made, a.Int(0), number, v0);
    case Effect::kBeginsSession:
      return BegunSession(made, number);
    case Effect::kEndsThread:
      if (IsOnlyThread()) EndImage(a.Int(0));
      break;
    case Effect::kEndsProcess:
      EndImage(a.Int(0));
      break;
  }
  const long result = made(number, v0, v1, v2, v3, v4, v5);
  if (__builtin_expect(result == -1 && BlamesNumber(LastError()), 0)) {
    if (const SyscallUse* use = FindSyscallUse(number, a.values)) {
      const int other = use->other < 0 ? kNoDescriptor : a.Int(use->other);
      RecordBadUse(FDAUDIT_CALL_SITE(made), {a.Int(use->fd), other, use->has_mode}, LastError());
    }
  }
  return result;
}
