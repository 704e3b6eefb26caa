#pragma once

// Asks the kernel about this process's descriptors, without opening any and without a call that what lies behind them
// would notice. System calls; for the begin and the end of an image.

#include <cstdint>

#include "shim/base/raw_io.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// How many of the lowest numbers that the ledger never saw are asked for. Numbers are handed out lowest first, so what
/// was opened unseen lies among them.
inline constexpr int kFreeProbed = 32;

/// Asks the kernel: visit(fd, is_open) for every number below `reach` for which known(fd) holds, and for the lowest of
/// the others, more of them where those turn out to be open.
template <typename Known, typename Visitor>
void CompareWithKernel(int reach, Known known, Visitor visit) {
  int free_left = kFreeProbed;
  for (int fd = 0; fd < reach || free_left > 0; ++fd) {
    const bool is_known = fd < reach && known(fd);
    if (!is_known && free_left <= 0) continue;
    const bool is_open = raw::IsOpen(fd);
    if (!is_known && !is_open) --free_left;
    visit(fd, is_open);
  }
}

/// How many descriptors are open: the size of /proc/self/fd, since Linux 6.2. Negative: the kernel does not say.
int CountOpenDescriptors();

/// The lowest numbers are asked for whatever lies between them.
inline constexpr int kAlwaysProbed = 64;

/// visit(fd) for what is open, from 0 on until all are found, or until so many numbers are closed in a row that it is
/// not worth while: they are handed out lowest first, so that what lies far above the rest is rare, and found when the
/// program first touches it. Where the kernel doesn't say how many there are, the row is a short one.
template <typename Visitor>
void ForEachOpenDescriptor(Visitor visit) {
  int left = CountOpenDescriptors();
  const int longest_gap = left < 0 ? kAlwaysProbed : 4096;
  for (int fd = 0, end = longest_gap; left != 0 && fd < end; ++fd) {
    if (!raw::IsOpen(fd)) continue;
    --left;
    end = fd + 1 + longest_gap;
    visit(fd);
  }
}

/// True where the open descriptor can't be what was recorded under its number: another kind of file, or another file
/// than the one named. The number was closed, and handed out again, without a recorded call.
bool IsAnother(int fd, const trace::Incarnation& life, const char* recorded_target, const char* target);

/// What sort of thing the open descriptor is, found by a system call or two: the rest is asked at the end.
/// What has no sort but its name gets that.
void DescribeKind(int fd, trace::Incarnation& life, char (&target)[trace::kTargetSize]);

/// The other end of a pipe or socketpair, as the ledger knows it.
struct Partner {
  int fd = -1;  ///< -1 = unknown
  bool is_open = false;
};

/// What the open descriptor refers to, for people: a path, "tcp 127.0.0.1:80 -> …", "pipe, read end". `target` holds
/// what was recorded of it, and is left so where the kernel has nothing to add.
void DescribeOpenDescriptor(int fd, trace::Incarnation& life, Partner partner, char (&target)[trace::kTargetSize]);

}  // namespace fdaudit::shim
