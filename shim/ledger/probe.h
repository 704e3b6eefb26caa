#pragma once

// Asks the kernel about this process's descriptors without opening any: poll(2) with no events answers POLLNVAL for
// closed numbers, hundreds a call, and for O_PATH descriptors too, of which only fcntl(2) tells. System calls; for the
// begin and the end of an image.

#include <cstdint>

#include "shim/base/raw_io.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

inline constexpr int kProbeBatch = 128;  // a child's stack stays within the page that it has

/// How many of the lowest numbers that the ledger never saw are asked for. Numbers are handed out lowest first, so what
/// was opened unseen lies among them.
inline constexpr int kFreeProbed = 32;

/// Fills open[i] for fds[i]; `count` at most kProbeBatch.
void ProbeNumbers(const int* fds, int count, bool* open);

/// Asks the kernel: visit(fd, is_open) for every number below `reach` for which known(fd) holds, and for the lowest of
/// the others, more of them where those turn out to be open.
template <typename Known, typename Visitor>
void CompareWithKernel(int reach, Known known, Visitor visit) {
  int fds[kProbeBatch];
  bool open[kProbeBatch];
  int free_left = kFreeProbed;
  for (int fd = 0; fd < reach || free_left > 0;) {
    int count = 0;
    for (; count < kProbeBatch && (fd < reach || free_left > 0); ++fd) {
      const bool is_known = fd < reach && known(fd);
      if (!is_known && free_left <= 0) continue;
      if (!is_known) --free_left;
      fds[count++] = fd;
    }
    ProbeNumbers(fds, count, open);
    for (int i = 0; i < count; ++i) {
      if (open[i] && !(fds[i] < reach && known(fds[i]))) ++free_left;
      visit(fds[i], open[i]);
    }
  }
}

inline constexpr int kAlwaysProbed = 256;

/// visit(fd) for what is open, from 0 on until a whole batch's upper half is closed: numbers are handed out lowest
/// first, so that what lies far above the rest is rare, and found when the program first touches it. O_PATH descriptors
/// are sought up to the first number that is free.
template <typename Visitor>
void ForEachOpenDescriptor(Visitor visit) {
  int fds[kProbeBatch];
  bool open[kProbeBatch];
  bool more = true;
  bool dense = true;
  for (int first = 0; more && first < (1 << 20); first += kProbeBatch) {
    for (int i = 0; i < kProbeBatch; ++i) fds[i] = first + i;
    ProbeNumbers(fds, kProbeBatch, open);
    more = first + kProbeBatch < kAlwaysProbed;
    for (int i = 0; i < kProbeBatch; ++i) {
      dense = dense && (open[i] || raw::DescriptorFlags(first + i) >= 0);
      if (!open[i] && !dense) continue;
      more = more || i >= kProbeBatch / 2;
      visit(first + i);
    }
  }
}

/// True where the open descriptor can't be what was recorded under its number: another kind of file, or another file
/// than the one named. The number was closed, and handed out again, without a recorded call.
bool IsAnother(int fd, const trace::Incarnation& life, const char* recorded_target, const char* target);

/// What sort of thing the open descriptor is, by the system call or two that tell it: the rest is asked at the end.
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
