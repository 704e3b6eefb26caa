// Processes: how they begin by fork and vfork, and end. What turns them into other programs is in exec.cc, what libc
// starts for them in spawn.cc.

#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdlib>

#include "shim/base/thread.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/clone.h"
#include "shim/events/events.h"
#include "shim/interpose/real_functions.h"
#include "shim/ledger/child_blocks.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/descriptor_table.h"
#include "shim/trace/recorder.h"

extern "C" {
pid_t __fork();
pid_t __vfork();
// Declared by unistd.h since glibc 2.34.
pid_t _Fork() noexcept;
}

namespace fdaudit::shim {
namespace {

template <typename Function>
__attribute__((always_inline)) inline pid_t ForkedBy(Function& function) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  FindWhatChildrenCall();
  return static_cast<pid_t>(
      Forked(site, SIGCHLD, trace::StartedBy::kFork, nullptr, [&function] { return function(); }));
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("makes a process with a copy of the table", pid_t, fork) noexcept { return ForkedBy(real::fork); }
INTERPOSE("makes a process with a copy of the table", pid_t, __fork) { return ForkedBy(real::__fork); }
// Since glibc 2.34. Programs that look for it in an older one find this one, and get ENOSYS.
INTERPOSE("makes a process with a copy of the table", pid_t, _Fork) noexcept { return ForkedBy(real::_Fork); }

INTERPOSE("ends the process", void, _exit, int status) {
  EndImage(status);
  real::_exit(status);
  __builtin_unreachable();
}
INTERPOSE("ends the process", void, _Exit, int status) noexcept {
  EndImage(status);
  real::_Exit(status);
  __builtin_unreachable();
}
INTERPOSE("ends the process", void, quick_exit, int status) noexcept {
  quick_exit_status = status;  // EndAfterQuickExit, the first handler and so the last to run, reads it
  real::quick_exit(status);
  __builtin_unreachable();
}

#if defined(__x86_64__)
NEWEST_VERSION(quick_exit, "GLIBC_2.24");
INTERPOSE_OLD("ends the process, thread-local destructors first", "GLIBC_2.10", void, quick_exit, int status) noexcept {
  quick_exit_status = status;
  real::quick_exit_old_version(status);
  __builtin_unreachable();
}
#endif

INTERPOSE("may begin seccomp (PR_SET_SECCOMP), or forbid the time-stamp counter (PR_SET_TSC)", int, prctl, int option,
          ...)
noexcept {
  va_list arguments;
  va_start(arguments, option);
  unsigned long values[4];
  for (unsigned long& value : values) value = va_arg(arguments, unsigned long);
  va_end(arguments);
  if (option == PR_SET_TSC && values[0] == PR_TSC_SIGSEGV) recorder.ForgoCounter();
  if (option != PR_SET_SECCOMP) return real::prctl(option, values[0], values[1], values[2], values[3]);
  SeccompEntry entry(values[0] == SECCOMP_MODE_STRICT);
  const int result = real::prctl(option, values[0], values[1], values[2], values[3]);
  entry.Settle(result != 0);
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// vfork: see shim/arch. The child runs in its parent's memory, with a descriptor table of its own.

#if defined(__x86_64__)

INTERPOSE_BY_HAND("makes a process with a copy of the table, in its parent's memory", pid_t, vfork)
INTERPOSE_BY_HAND("makes a process with a copy of the table, in its parent's memory", pid_t, __vfork)
namespace fdaudit::shim::real {
extern Real<long(long, ...)> syscall;  // raw_syscall.cc
}

/// vfork by a thread with guests on its TLS (descriptor_table.h): the child differs from the thread by its id, and no
/// mark on the TLS is its own.
constexpr unsigned kHasGuests = 1u << 31;
/// By a task without thread-local storage of libc's: no mark is kept.
constexpr unsigned kForeign = 1u << 30;

extern "C" __attribute__((visibility("hidden"))) unsigned FdauditVforkMark() {
  if (OnForeignStorage()) return kForeign;
  if (const uint32_t image = CurrentImage(); image != 0) ThreadOf(image);  // knows this thread's id, not the child's
  if (__builtin_expect(thread_state.guests == 0, 1)) return VforkMark(thread_state);
  Atomic(thread_state.guests).fetch_add(1);
  return kHasGuests;
}

/// Returns to vfork's caller, so that its own frame leads the walk there. `name`: 0 = vfork, 1 = __vfork, 2 = syscall.
extern "C" __attribute__((visibility("hidden"))) pid_t FdauditVforkReturned(long result, unsigned mark, unsigned name) {
  if (mark == kForeign) return static_cast<pid_t>(result < 0 ? -1 : result);
  if (mark != kHasGuests) {
    if (result == 0) {
      EnterVforkChild(thread_state);
    } else {
      LeaveVforkChildren(thread_state, mark, ReleaseChildBlocks);
    }
  } else if (result != 0) {
    Atomic(thread_state.guests).fetch_sub(1);
  }
  if (result < 0) {
    SetLastError(static_cast<int>(-result));
    return -1;
  }
  if (result > 0) {
    const CallSite site = name == 0   ? FDAUDIT_CALL_SITE(real::vfork)
                          : name == 1 ? FDAUDIT_CALL_SITE(real::__vfork)
                                      : FDAUDIT_CALL_SITE(real::syscall);
    RecordForked(site, static_cast<int>(result));
  }
  return static_cast<pid_t>(result);
}

#else

// Without a trampoline the child's calls would land in its parent's ledger. fork is what vfork may be by its contract
// (POSIX.1-2001): slower, and safe.
INTERPOSE("makes a process with a copy of the table, in its parent's memory", pid_t, vfork) noexcept {
  return ForkedBy(real::fork);
}
INTERPOSE("makes a process with a copy of the table, in its parent's memory", pid_t, __vfork) {
  return ForkedBy(real::fork);
}

#endif
