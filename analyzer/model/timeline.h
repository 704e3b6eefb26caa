#pragma once

// Stamps to seconds. A trace's stamps are the CPU's counter or nanoseconds; pairs of both clocks give the rate, and the
// pair farthest from the start gives the best one.

#include <cstdint>
#include <vector>

#include "shim/trace/format.h"

namespace fdaudit::analyzer {

class Timeline {
 public:
  /// `pairs`: all clock pairs of the trace beyond its header's; nonsense among them is ignored.
  Timeline(const trace::Header& header, const std::vector<trace::ClockPair>& pairs);

  /// Seconds since Header::started; negative before it. Stamp 0 ("never") gives 0.
  double Seconds(uint64_t stamp) const;
  /// Nanoseconds of CLOCK_MONOTONIC.
  int64_t Monotonic(uint64_t stamp) const;

 private:
  trace::ClockPair start_;
  double ns_per_stamp_ = 1.0;
};

}  // namespace fdaudit::analyzer
