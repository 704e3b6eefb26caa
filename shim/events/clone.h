#pragma once

// fork, clone(2) and their system calls: what is to be done before, after and in the child. Which child keeps what is
// explained in process/descriptor_table.h.
//
// The functions that call the real one are inlined into the interposer, because the walk starts from its frame.

#include <sched.h>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/descriptor_table.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000  // Linux 5.2; this libc is older
#endif

namespace fdaudit::shim {

/// The thread pointer of a task that is about to be made, where CLONE_SETTLS gives it one: see thread_pointer.h.
/// Nothing to release: the task may outlive the call.
class GivenThreadPointer {
 public:
  GivenThreadPointer(int flags, uintptr_t pointer);
  /// In the task that called.
  void Settle(bool failed) const;
  /// It leads to thread-local storage of libc's.
  bool is_of_libc() const { return is_of_libc_; }

 private:
  int flags_;
  bool is_of_libc_ = true;
  bool is_readable_ = true;
};

/// A clone between its preparation and its return.
struct Cloning {
  int flags;
  uint32_t image;       ///< the caller's; 0 = nothing is recorded
  bool began_to_share;  ///< the image's first child that shares the table from memory of its own
  Guest* guest;         ///< in this memory
  PreparedChild child;  ///< in its own
};

/// `how`: kFork, kClone …
Cloning BeforeClone(int flags, trace::StartedBy how);
/// The child runs on storage that is not libc's, where nothing is recorded: its acts on a table that it shares are
/// missed.
void NoteForeignChild(const Cloning& cloning);
/// In the task that called: `result` is the child's id, negative = it failed. `pidfd`: where CLONE_PIDFD has put it.
void AfterClone(const CallSite& site, const Cloning& cloning, int result, const int* pidfd);
/// First of all in the child.
void BeginClone(int flags, Guest* guest);
/// In the child, when libc is about to end it by exit(2), which ends one thread.
void EndClone(int flags, const Guest* guest, int status);

/// fork & co., which return twice.
template <typename Call>
__attribute__((always_inline)) inline long Forked(const CallSite& site, int flags, trace::StartedBy how,
                                                  const int* pidfd, Call call) {
  const Cloning cloning = BeforeClone(flags, how);
  const long result = call();
  if (result == 0) {
    // Every page touched here, errno's too, would be copied for a child that may do nothing but exec.
    BeginClone(flags, nullptr);
    return result;
  }
  AfterClone(site, cloning, static_cast<int>(result), pidfd);
  return result;
}

/// unshare(2).
template <typename Function, typename... A>
__attribute__((always_inline)) inline int Unshared(Function& function, int flags, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const int result = static_cast<int>(function(arguments...));
  if (result == 0 && (flags & CLONE_FILES) != 0) RecordUnshared(site);
  return result;
}

/// What a system call that clones asks for.
struct CloneCall {
  bool returns_twice = false;  ///< like fork: in memory of its own, on the caller's stack
  trace::StartedBy how = trace::StartedBy::kClone;
  int flags = 0;
  uintptr_t tls = 0;
  const int* pidfd = nullptr;
};
CloneCall ReadCloneCall(long number, const long (&values)[6]);
/// Makes it. A negative errno on failure.
long MakeCloneCall(long number, const long (&values)[6]);

/// syscall(2) of clone, clone3 and fork (vfork: shim/arch). `pass_on` makes the call as it is.
template <typename PassOn>
__attribute__((always_inline)) inline long ClonedByNumber(const CallSite& site, long number, const long (&values)[6],
                                                          PassOn pass_on) {
  if (OnForeignStorage()) return pass_on();
  const CloneCall clone = ReadCloneCall(number, values);
  const GivenThreadPointer pointer(clone.flags, clone.tls);
  if (!clone.returns_twice) {
    const long passed = pass_on();
    pointer.Settle(passed < 0);
    return passed;
  }
  const long result = Forked(site, clone.flags, clone.how, clone.pidfd, [&] { return MakeCloneCall(number, values); });
  if (result != 0) pointer.Settle(result < 0);
  if (result >= 0) return result;
  SetLastError(static_cast<int>(-result));
  return -1;
}

}  // namespace fdaudit::shim
