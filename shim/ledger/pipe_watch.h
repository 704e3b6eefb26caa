#pragma once

// Who waits for whom by a pipe. A reader that waits for ever while the write end lies forgotten in a forked process is
// found by two facts: which read has not returned (trace::ImageRecord::reading), and which ends their holders have ever
// moved a byte through (trace::kPipeMoved). Both are noted only in processes that have relatives: in all others reading
// and writing cost one comparison more.

#include <cstdint>

#include "shim/stack/walk.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Numbers above are not watched.
inline constexpr uint32_t kWatchedNumbers = 1024;
/// Numbers that were pipe ends when they were opened.
inline constinit uint64_t pipe_numbers[kWatchedNumbers / 64] = {};
/// This process was forked or exec'd by an audited one, or has forked.
inline constinit bool has_relatives = false;

void WatchPipe(int fd);

inline bool IsWatchedPipe(int fd) {
  if (__builtin_expect(!has_relatives, 1)) return false;
  const auto number = static_cast<uint32_t>(fd);
  return number < kWatchedNumbers && (pipe_numbers[number / 64] >> (number % 64) & 1) != 0;
}

/// Before a read of a watched pipe, at the stamp `began`. False where nothing was noted. All three leave errno alone.
bool RecordPipeReading(const CallerRegisters& caller, uint16_t call, uint64_t began, int fd);
/// After it; `moved`: it has read something.
void RecordPipeRead(int fd, uint64_t began, bool moved);
/// A write to a watched pipe has moved something.
void RecordPipeWritten(int fd);

}  // namespace fdaudit::shim
