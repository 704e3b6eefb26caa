#pragma once

// Stamps: a cheap moment that orders what threads do. 10 ns with the time-stamp counter, where clock_gettime would take
// 22 (vDSO) or, without a vDSO, a system call. Usable in every context.

#include <sys/prctl.h>

#include "shim/base/raw_io.h"
#include "shim/trace/format.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace fdaudit::shim {

/// Decided by the process that creates the trace, and taken over by every process that joins it.
inline constinit bool stamps_are_tsc = false;

/// Stands for the time-stamp counter where this process may not read it: its value at one moment and its rate.
struct CounterEstimate {
  trace::ClockPair at;
  uint64_t rate;  ///< ticks a nanosecond, in units of 2^-32; 0 = stamps are nanoseconds
};
inline constinit CounterEstimate counter_estimate = {};

inline uint64_t Stamp() {
#if defined(__x86_64__)
  if (stamps_are_tsc) return __rdtsc();
#endif
  if (!SystemCallsAllowed()) return 1;
  const uint64_t now = raw::Nanoseconds(CLOCK_MONOTONIC);
  if (counter_estimate.rate == 0) return now;
  using Wide = unsigned __int128;
  const Wide ticks = (static_cast<Wide>(now - counter_estimate.at.monotonic_ns) * counter_estimate.rate) >> 32;
  return counter_estimate.at.stamp + static_cast<uint64_t>(ticks);
}

/// Whether this thread may not read the counter: prctl(PR_SET_TSC), which children and the next program inherit.
inline bool IsCounterForbidden() {
#if defined(__x86_64__)
  int mode = 0;
  return raw::Call(SYS_prctl, PR_GET_TSC, raw::Address(&mode)) == 0 && mode == PR_TSC_SIGSEGV;
#else
  return false;
#endif
}

/// From here on stamps are computed from CLOCK_MONOTONIC. The two moments of the trace give the rate; where they are
/// the same, a tick is a nanosecond.
inline void EstimateCounter(trace::ClockPair earlier, trace::ClockPair later) {
  uint64_t rate = uint64_t{1} << 32;
  if (later.monotonic_ns > earlier.monotonic_ns && later.stamp > earlier.stamp) {
    uint64_t ticks = later.stamp - earlier.stamp;
    uint64_t nanoseconds = later.monotonic_ns - earlier.monotonic_ns;
    for (; nanoseconds >> 31 != 0; nanoseconds >>= 1) ticks >>= 1;  // the remainder below has to fit when shifted
    rate = ((ticks / nanoseconds) << 32) + ((ticks % nanoseconds) << 32) / nanoseconds;
  }
  counter_estimate = {later, rate};
  stamps_are_tsc = false;
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
