#include "shim/events/quarantine.h"

#include <mqueue.h>
#include <sys/select.h>
#include <sys/stat.h>

#include <cerrno>

#include "shim/base/raw_io.h"
#include "shim/base/thread.h"
#include "shim/events/events.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/image.h"

namespace fdaudit::shim {
namespace {

constexpr int kMostLookedAt = 1024;   ///< numbers, before the kernel is asked for its next free one
constexpr int kOwnersLockQuery = 36;  // F_OFD_GETLK; older headers lack it

/// The caller's table is the ledger's, and this is a process that we may act in. A forked child that has not recorded
/// anything yet begins its image once the move is done: it looks then at what is open, and shall not see the half of
/// it.
bool MayMove() {
  if (!SystemCallsAllowed() || InVforkChild()) return false;
  const uint32_t image = process_mark->image;
  if (image == 0) return options.follow && process_mark->silent == 0 && wiped_on_fork;
  return ThreadOf(image).UsesLedger();
}

/// To move is to close a duplicate, at which the kernel takes back what belongs to the process rather than to the
/// description: a message queue's notification, a directory's dnotify watch.
bool ClosingCosts(int fd, Reference reference) {
  mq_attr attributes = {};
  if (raw::Call(SYS_mq_getsetattr, fd, 0, raw::Address(&attributes)) == 0) return true;
  struct stat status = {};
  return reference == Reference::kAnother && raw::Fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

/// Record locks (fcntl, lockf) too: all that the process holds on a file go with the first descriptor of the file that
/// it closes. The kernel doesn't show a process its own; but to an open file description those of any process are
/// others'. Where it can't say, there may be some.
bool MayLoseLocks(int fd) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const long result = raw::Call(SYS_fcntl, fd, kOwnersLockQuery, raw::Address(&lock));
  if (result == -EBADF) return false;  // O_PATH, which no lock can hang on; or gone, as the move will see
  return result != 0 || lock.l_type != F_UNLCK;
}

/// The first number above `fd` that neither rests nor is known to be open.
int NextFree(int fd) {
  const int last = fd + kMostLookedAt;
  do {
    ++fd;
  } while (fd < last && (IsResting(fd) || LedgerOpenCount(fd) != 0));
  return fd;
}

/// A duplicate at a number that doesn't rest, or a negative error.
int CopyAbove(int fd) {
  const int flags = raw::DescriptorFlags(fd);
  if (flags < 0) return flags;
  const int command = (flags & FD_CLOEXEC) != 0 ? F_DUPFD_CLOEXEC : F_DUPFD;
  for (int below = fd;;) {
    const auto copy = static_cast<int>(raw::Call(SYS_fcntl, fd, command, NextFree(below)));
    if (copy < 0) return copy;
    // What select(2) can wait for shall stay so.
    const bool is_out_of_reach = fd < FD_SETSIZE && copy >= FD_SETSIZE;
    if (!is_out_of_reach && !IsResting(copy)) return copy;
    raw::Close(copy);
    if (is_out_of_reach) return -EMFILE;
    below = copy;
  }
}

}  // namespace

int MoveFromRest(const CallSite& site, int fd, Reference reference) {
  if (!MayMove() || ClosingCosts(fd, reference) || MayLoseLocks(fd)) return fd;
  const int moved = CopyAbove(fd);
  if (moved < 0) return fd;
  // A stale close has hit it on the way. That is reported, though the descriptor lives on.
  if (raw::Close(fd) == -EBADF) RecordOpened(site, fd, {});
  return moved;
}

}  // namespace fdaudit::shim
