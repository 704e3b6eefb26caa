// A use of a descriptor has failed, and errno says that the number was to blame. Nothing of this runs for a call that
// succeeds. errno is as the call left it.

#include "shim/base/options.h"
#include "shim/base/probe.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/events/recording.h"
#include "shim/ledger/findings.h"

namespace fdaudit::shim {
namespace {

using trace::Act;
using trace::FileAccess;

/// One failed call: looks its numbers up, and notes what the ledger knows of them.
class FailedUse {
 public:
  explicit FailedUse(const CallSite& site) : recording_(site) {
    if (options.uses && recording_ && recording_.owns_ledger()) act_ = recording_.MakeAct(Stamp());
  }
  ~FailedUse() { SetLastError(saved_errno_); }
  FailedUse(const FailedUse&) = delete;
  FailedUse& operator=(const FailedUse&) = delete;

  explicit operator bool() const { return act_.image != 0; }

  /// Notes a use of `fd` where that is `standing`. False: it is something else.
  bool NoteWhere(Standing standing, int fd) {
    CloseOutcome lives;
    if (fd == kNoDescriptor || LedgerStanding(fd, &lives) != standing) return false;
    if (standing == Standing::kClosed) {
      NoteBadUse(fd, act_, lives);
    } else {
      NoteUnfoundedUse(fd, act_);
    }
    return true;
  }

  /// A number that was closed is to blame rather than one that was never open.
  template <typename Numbers>
  bool NoteFirst(const Numbers& numbers) {
    for (const Standing standing : {Standing::kClosed, Standing::kNever}) {
      for (const int fd : numbers) {
        if (NoteWhere(standing, fd)) return true;
      }
    }
    return false;
  }

  /// `fd` is open, but not for `wanted`. False: for all that is known it is.
  bool NoteForbidden(int fd, FileAccess wanted);
  /// `fd` is open, and no socket, where it had been one.
  void NoteNoSocket(int fd);

 private:
  const int saved_errno_ = LastError();
  Recording recording_;
  Act act_ = {};
};

FileAccess AccessOf(int fd) {
  if (!SystemCallsAllowed()) return trace::kAccessUnknown;
  const long flags = raw::Call(SYS_fcntl, fd, F_GETFL);
  if (flags < 0) return trace::kAccessUnknown;
  return (flags & O_PATH) != 0 ? trace::kAccessNone : static_cast<FileAccess>((flags & O_ACCMODE) + 1);
}

bool FailedUse::NoteForbidden(int fd, FileAccess wanted) {
  CloseOutcome lives;
  if (fd == kNoDescriptor || LedgerStanding(fd, &lives) != Standing::kOpen) return false;
  const FileAccess access = AccessOf(fd);
  if (access == trace::kAccessUnknown || access == trace::kAccessBoth || access == wanted) return false;
  NoteMisuse(fd, act_, lives, EBADF, access);
  return true;
}

void FailedUse::NoteNoSocket(int fd) {
  using trace::FdKind;
  CloseOutcome lives;
  if (LedgerStanding(fd, &lives) != Standing::kOpen) return;
  const bool was_socket = lives.lives[1].kind == FdKind::kSocket && lives.lives[1].closed.image == act_.image;
  const bool is_none = lives.lives[0].kind != FdKind::kSocket && lives.lives[0].kind != FdKind::kUnknown;
  if (was_socket && is_none) NoteMisuse(fd, act_, lives, ENOTSOCK, AccessOf(fd));
}

}  // namespace

void RecordBadUse(const CallSite& site, int fd, int other, bool has_mode, int error) {
  FailedUse use(site);
  if (!use) return;
  const int candidates[] = {fd, other};
  if (error == ENOTSOCK) {
    use.NoteNoSocket(fd);
  } else if (!use.NoteFirst(candidates) && has_mode) {
    const bool is_pair = other != kNoDescriptor;
    use.NoteForbidden(fd, is_pair ? trace::kAccessRead : trace::kAccessUnknown) ||
        use.NoteForbidden(other, trace::kAccessWrite);
  }
}

void RecordBadSets(const CallSite& site, int count, const fd_set* reads, const fd_set* writes, const fd_set* others) {
  constexpr int kMost = 1 << 16;
  constexpr int kBits = 8 * sizeof(uint64_t);
  FailedUse use(site);
  if (!use || count <= 0) return;
  ProgramMemory memory;
  const int words = ((count < kMost ? count : kMost) + kBits - 1) / kBits;
  bool found = false;
  for (const Standing standing : {Standing::kClosed, Standing::kNever}) {
    for (const fd_set* set : {reads, writes, others}) {
      for (int word = 0; set != nullptr && word < words; ++word) {
        const auto* place = reinterpret_cast<const uint64_t*>(set) + word;
        // The kernel reads no more of a set than the table is long.
        if (!memory.IsReadableAt(reinterpret_cast<uintptr_t>(place), sizeof *place)) break;
        for (uint64_t bits = *place; bits != 0; bits &= bits - 1) {
          const int fd = word * kBits + __builtin_ctzll(bits);
          if (fd < count) found = use.NoteWhere(standing, fd) || found;
        }
      }
    }
    if (found) return;
  }
}

void RecordBadMessage(const CallSite& site, int socket, const msghdr& message) {
  FailedUse use(site);
  if (!use) return;
  CloseOutcome unused;
  if (LedgerStanding(socket, &unused) != Standing::kOpen) {
    use.NoteFirst(reinterpret_cast<const int(&)[1]>(socket));
    return;
  }
  // The socket was in order, so the kernel has read the message.
  for (const Standing standing : {Standing::kClosed, Standing::kNever}) {
    ControlMessages controls(message);
    for (ControlMessage control; controls.Next(&control);) {
      if (control.level != SOL_SOCKET || control.type != SCM_RIGHTS) continue;
      for (size_t i = 0; i < DescriptorCount(control); ++i) {
        if (use.NoteWhere(standing, DescriptorAt(control, i).fd)) return;
      }
    }
  }
}

bool IsOwnProcess(int process) {
  TargetText text;
  RecordedTarget(process, text);
  constexpr char kPrefix[] = "process ";
  if (memcmp(text, kPrefix, sizeof kPrefix - 1) != 0 || !SystemCallsAllowed()) return false;
  int pid = 0;
  for (const char* digit = text + sizeof kPrefix - 1; *digit >= '0' && *digit <= '9'; ++digit) {
    pid = pid * 10 + (*digit - '0');
  }
  return pid == raw::Pid();
}

}  // namespace fdaudit::shim
