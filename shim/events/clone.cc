#include "shim/events/clone.h"

#include <sched.h>
#include <signal.h>

#include "shim/base/raw_io.h"
#include "shim/base/thread_pointer.h"

namespace fdaudit::shim {
namespace {

using trace::StartedBy;

constexpr long kSystemClone3 = 435;  // on every architecture; older headers lack it

/// The words of clone3's arguments that count here, and how many every version has.
enum CloneArguments { kFlags = 0, kPidfd = 1, kStack = 5, kTls = 7, kLeastArguments = 8 };

bool SharesMemory(int flags) { return (flags & CLONE_VM) != 0; }
bool SharesTable(int flags) { return (flags & CLONE_FILES) != 0; }
bool IsThread(int flags) { return (flags & CLONE_THREAD) != 0; }

/// Sets a coverage reason; false where it was set already.
bool SetReason(uint32_t image, uint32_t reason) {
  return (Atomic(ImageOf(image)->reasons).fetch_or(reason) & reason) == 0;
}

}  // namespace

GivenThreadPointer::GivenThreadPointer(int flags, uintptr_t pointer) : flags_(flags) {
  if ((flags & CLONE_SETTLS) == 0) return;
  is_of_libc_ = IsBlockOfLibc(pointer);
  is_readable_ = is_of_libc_ || IsReadableBlock(pointer);
  if (!is_readable_) Atomic(unreadable_thread_pointers).fetch_add(1);
}

void GivenThreadPointer::Settle(bool failed) const {
  const bool is_gone = failed || !SharesMemory(flags_) || (flags_ & CLONE_VFORK) != 0;
  if (!is_readable_ && is_gone) Atomic(unreadable_thread_pointers).fetch_sub(1);
}

void NoteForeignChild(const Cloning& cloning) {
  if (cloning.image != 0 && SharesTable(cloning.flags)) SetReason(cloning.image, trace::kReasonSharedTable);
}

Cloning BeforeClone(int flags, StartedBy how) {
  Cloning cloning = {flags, CurrentImage(), false, nullptr, {}};
  if (cloning.image == 0) return cloning;
  if (SharesMemory(flags)) {
    ThreadOf(cloning.image);  // knows this thread's id before another runs on its TLS
    cloning.guest = AdmitGuest(flags);
    return cloning;
  }
  // Before there can be a child that closes what is this process's too.
  if (SharesTable(flags)) cloning.began_to_share = SetReason(cloning.image, trace::kReasonSharedTable);
  // A child with a TLS of its own would not find the record.
  if ((flags & CLONE_SETTLS) == 0) cloning.child = PrepareForChild(how);
  return cloning;
}

void AfterClone(const CallSite& site, const Cloning& cloning, int result, const int* pidfd) {
  if (cloning.image == 0) return;
  const int saved_errno = LastError();
  const int flags = cloning.flags;
  const bool failed = result < 0;
  if (SharesMemory(flags)) {
    SettleGuest(cloning.guest, flags, failed);
    // A child that has been waited for has exec'd or ended, and its table with it: the report misses nothing.
    const bool goes_on = !failed && (flags & CLONE_VFORK) == 0;
    if (goes_on && !SharesTable(flags)) SetReason(cloning.image, trace::kReasonOwnTable);
  } else {
    NoteChild(cloning.child, result);
    if (failed && cloning.began_to_share) {
      Atomic(ImageOf(cloning.image)->reasons).fetch_and(~static_cast<uint32_t>(trace::kReasonSharedTable));
    }
  }
  if (!failed && (flags & CLONE_PIDFD) != 0 && pidfd != nullptr) {
    NewDescriptor what;
    what.kind = trace::FdKind::kPidFd;
    what.flags = trace::kCloseOnExec;
    RecordOpened(site, *pidfd, what);
  }
  if (!failed && !IsThread(flags)) RecordForked(site, result);
  SetLastError(saved_errno);
}

void BeginClone(int flags, Guest* guest) {
  if (SharesMemory(flags)) {
    EnterAsGuest(guest);
    return;
  }
  ForgetParent();
  if (SharesTable(flags)) reasons_from_birth = trace::kReasonSharedTable;
}

void EndClone(int flags, const Guest* guest, int status) {
  // Where the program has given it a TLS that is fit for use, it counts only where something was recorded with it.
  const bool own_tls = (flags & CLONE_SETTLS) != 0;
  const bool has_state = SharesMemory(flags) ? guest != nullptr && guest->has_state : process_mark->image != 0;
  if (!IsThread(flags) && (!own_tls || has_state)) {
    EndImage(status);
  } else if ((flags & CLONE_VFORK) == 0) {
    DismissGuest(const_cast<Guest*>(guest), flags);
  }
}

CloneCall ReadCloneCall(long number, const long (&values)[6]) {
  CloneCall clone;
  bool own_stack = false;
  switch (number) {
#ifdef SYS_fork
    case SYS_fork:
      clone.how = StartedBy::kFork;
      clone.flags = SIGCHLD;
      break;
#endif
    case SYS_clone:
      clone.flags = static_cast<int>(values[0]);
      own_stack = values[1] != 0;
      clone.pidfd = reinterpret_cast<const int*>(values[2]);
#if defined(__x86_64__)
      clone.tls = static_cast<uintptr_t>(values[4]);
#else
      clone.tls = static_cast<uintptr_t>(values[3]);
#endif
      break;
    case kSystemClone3: {
      const auto* arguments = reinterpret_cast<const uint64_t*>(values[0]);
      constexpr size_t kLeastSize = kLeastArguments * sizeof *arguments;
      const bool has_them = static_cast<size_t>(values[1]) >= kLeastSize &&
                            ProgramMemory().IsReadableAt(reinterpret_cast<uintptr_t>(arguments), kLeastSize);
      if (!has_them || arguments == nullptr) return clone;
      clone.flags = static_cast<int>(arguments[kFlags]);
      own_stack = arguments[kStack] != 0;
      clone.pidfd = reinterpret_cast<const int*>(arguments[kPidfd]);
      clone.tls = arguments[kTls];
      break;
    }
    default:
      return clone;
  }
  clone.returns_twice = !own_stack && !SharesMemory(clone.flags);
  return clone;
}

long MakeCloneCall(long number, const long (&values)[6]) {
  return raw::Call(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}

}  // namespace fdaudit::shim
