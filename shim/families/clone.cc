// clone(2), and who leaves the descriptor table: unshare(2). clone3 has no function in libc; the system calls by number
// are in raw_syscall.cc.

#include "shim/events/clone.h"

#include <sched.h>

#include <cstdarg>
#include <cstdint>

#include "shim/interpose/real_functions.h"

extern "C" {
int __clone(int (*)(void*), void*, int, void*, ...);
}

namespace fdaudit::shim {
namespace {

/// What the child finds at the top of its stack, where libc's own notes for it lie too.
struct alignas(16) CloneStart {
  int (*function)(void*);
  void* argument;
  Guest* guest;
  int flags;
};

/// An ordinary thread: before glibc 2.34 libpthread makes them by way of clone.
bool IsOfLibpthread(int flags) {
  constexpr int kItsFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  return flags == kItsFlags && !LibcIsOneLibrary();
}

int StartClone(void* place) {
  const CloneStart start = *static_cast<CloneStart*>(place);
  BeginClone(start.flags, start.guest);
  const int status = start.function(start.argument);
  EndClone(start.flags, start.guest, status);
  return status;
}

template <typename Function>
__attribute__((always_inline)) inline int Cloned(Function& real, int (*function)(void*), void* stack, int flags,
                                                 void* argument, pid_t* parent_tid, void* tls, pid_t* child_tid) {
  const CallSite site = FDAUDIT_CALL_SITE(real);
  // libc refuses the first two.
  if (function == nullptr || stack == nullptr || IsOfLibpthread(flags)) {
    return real(function, stack, flags, argument, parent_tid, tls, child_tid);
  }
  const GivenThreadPointer pointer(flags, reinterpret_cast<uintptr_t>(tls));
  const Cloning cloning = BeforeClone(flags, trace::StartedBy::kClone);
  if (cloning.image == 0) {
    const int result = real(function, stack, flags, argument, parent_tid, tls, child_tid);
    pointer.Settle(result < 0);
    return result;
  }
  constexpr uintptr_t kAlignment = alignof(CloneStart);
  auto* start = reinterpret_cast<CloneStart*>(reinterpret_cast<uintptr_t>(stack) & ~(kAlignment - 1)) - 1;
  *start = {function, argument, cloning.guest, flags};
  const int result =
      real(&StartClone, static_cast<void*>(start), flags, static_cast<void*>(start), parent_tid, tls, child_tid);
  pointer.Settle(result < 0);
  AfterClone(site, cloning, result, parent_tid);
  if (result >= 0 && !pointer.is_of_libc()) NoteForeignChild(cloning);
  return result;
}

}  // namespace

#define FDAUDIT_CLONE(real, function, stack, flags, argument) \
  va_list arguments;                                          \
  va_start(arguments, argument);                              \
  auto* parent_tid = va_arg(arguments, pid_t*);               \
  auto* tls = va_arg(arguments, void*);                       \
  auto* child_tid = va_arg(arguments, pid_t*);                \
  va_end(arguments);                                          \
  return Cloned(real, function, stack, flags, argument, parent_tid, tls, child_tid)

}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("makes a process or thread, with a copy of the table or sharing it (CLONE_FILES); opens (CLONE_PIDFD)", int,
          clone, int (*function)(void*), void* stack, int flags, void* argument, ...)
noexcept {
  FDAUDIT_CLONE(real::clone, function, stack, flags, argument);
}
INTERPOSE("makes a process or thread, with a copy of the table or sharing it (CLONE_FILES); opens (CLONE_PIDFD)", int,
          __clone, int (*function)(void*), void* stack, int flags, void* argument, ...) {
  FDAUDIT_CLONE(real::__clone, function, stack, flags, argument);
}

INTERPOSE("gives the thread a table of its own (CLONE_FILES)", int, unshare, int flags) noexcept {
  return Unshared(real::unshare, flags, flags);
}
