#pragma once

// Which numbers rest: closed by this process a short while ago, and not to be handed out again while others are free
// (quarantine=1). As many as options.quarantine says; when one more is closed, the one closed longest ago rests no
// longer. The table's, so a forked child starts with its parent's, and an exec'd image with none.
//
// The ledger calls these where a number's life begins and ends, before the close's system call: the number must rest by
// the time the kernel may hand it out. events/quarantine.h has what follows for those who are given a resting number.
//
// Any thread, any signal context, no locks. Two threads that close at the same moment may cost a number its rest.

#include <cstdint>

#include "shim/base/options.h"
#include "shim/base/thread.h"

namespace fdaudit::shim {

/// 0, 1 and 2 never rest: programs rely on being given them again. Nor do numbers from here on.
inline constexpr int kRestingEnd = 1 << 16;

/// By number; only the pages that are used take memory.
extern uint64_t resting_bits[kRestingEnd / 64];

/// `fd` has been closed, or will be in a moment. Slow paths of the next three: see there.
void StartRest(int fd);
void EndRest(int fd);
int CountRestingBelow(int fd);

inline bool IsResting(int fd) {
  if (options.quarantine == 0 || fd <= 2 || fd >= kRestingEnd) return false;
  return (__atomic_load_n(&resting_bits[fd / 64], __ATOMIC_RELAXED) >> (fd % 64) & 1) != 0;
}

/// Nothing where it is a vfork child's number, whose parent's is as it was.
inline void NoteClosedNumber(int fd) {
  if (__builtin_expect(options.quarantine != 0, 0) && fd > 2 && fd < kRestingEnd && !InVforkChild()) StartRest(fd);
}

/// Somebody has it. The same holds.
inline void NoteOpenNumber(int fd) {
  if (__builtin_expect(IsResting(fd), 0) && !InVforkChild()) EndRest(fd);
}

/// How many lower numbers than `fd` are free but rest.
inline int RestingBelow(int fd) { return options.quarantine == 0 ? 0 : CountRestingBelow(fd); }

}  // namespace fdaudit::shim
