#pragma once

// Stamps: a cheap moment that orders what threads do. 10 ns with the time-stamp counter, where clock_gettime would take
// 22 (vDSO) or, without a vDSO, a system call. Usable in every context.

#include "shim/base/raw_io.h"
#include "shim/trace/format.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace fdaudit::shim {

/// Decided by the process that creates the trace, and taken over by every process that joins it.
inline constinit bool stamps_are_tsc = false;

inline uint64_t Stamp() {
#if defined(__x86_64__)
  if (stamps_are_tsc) return __rdtsc();
#endif
  if (!SystemCallsAllowed()) return 1;
  return raw::Nanoseconds(CLOCK_MONOTONIC);
}

/// True where the counter runs at one rate on all CPUs and in all their sleep states (CPUID 8000_0007h, EDX bit 8).
inline bool InvariantTsc() {
#if defined(__x86_64__)
  unsigned int a, b, c, d;
  return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
#else
  return false;
#endif
}

inline trace::ClockPair Now() { return {Stamp(), raw::Nanoseconds(CLOCK_MONOTONIC)}; }

}  // namespace fdaudit::shim
