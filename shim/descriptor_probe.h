#pragma once

// Asks the kernel about this process's descriptors without opening any: poll(2) with no events answers POLLNVAL for
// closed numbers, hundreds a call, and for O_PATH descriptors too, of which only fcntl(2) tells. System calls; for the
// begin and the end of an image.

#include <cstdint>

#include "shim/raw_io.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

inline constexpr int kProbeBatch = 256;

/// Fills open[i] for first + i; `count` at most kProbeBatch. False where the kernel would not say.
bool ProbeRange(int first, int count, bool* open);

/// visit(fd, is_open) for every number below `reach`, and some above it, where unseen descriptors would lie.
template <typename Visitor>
void CompareWithKernel(int reach, Visitor visit) {
  bool open[kProbeBatch];
  for (int first = 0; first < reach + kProbeBatch / 4; first += kProbeBatch) {
    const int left = reach + kProbeBatch / 4 - first;
    const int count = left < kProbeBatch ? left : kProbeBatch;
    if (!ProbeRange(first, count, open)) return;
    for (int i = 0; i < count; ++i) visit(first + i, open[i]);
  }
}

/// visit(fd) for what is open, from 0 on until a whole batch's upper half is closed: numbers are handed out lowest
/// first, so that what lies far above the rest is rare, and found when the program first touches it. O_PATH descriptors
/// are sought up to the first number that is free.
template <typename Visitor>
void ForEachOpenDescriptor(Visitor visit) {
  bool open[kProbeBatch];
  bool more = true;
  bool dense = true;
  for (int first = 0; more && first < (1 << 20); first += kProbeBatch) {
    if (!ProbeRange(first, kProbeBatch, open)) return;
    more = false;
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

/// What the open descriptor refers to, for people: a path, "tcp 127.0.0.1:80 -> …", "pipe:[123]".
void DescribeOpenDescriptor(int fd, trace::Incarnation& life, char (&target)[trace::kTargetSize]);

}  // namespace fdaudit::shim
