#include "analyzer/model/timeline.h"

#include <algorithm>

namespace fdaudit::analyzer {
namespace {

/// Counters run between 100 MHz and 20 GHz: what says otherwise was torn or is damaged.
bool IsPlausible(const trace::ClockPair& start, const trace::ClockPair& pair) {
  if (pair.stamp <= start.stamp || pair.monotonic_ns <= start.monotonic_ns) return false;
  const double rate =
      static_cast<double>(pair.monotonic_ns - start.monotonic_ns) / static_cast<double>(pair.stamp - start.stamp);
  return rate > 0.05 && rate < 10.0;
}

}  // namespace

Timeline::Timeline(const trace::Header& header, const std::vector<trace::ClockPair>& pairs) : start_(header.started) {
  if ((header.features & trace::kStampsAreTsc) == 0) return;
  trace::ClockPair farthest = start_;
  for (const trace::ClockPair& pair : pairs) {
    if (IsPlausible(start_, pair) && pair.stamp > farthest.stamp) farthest = pair;
  }
  // `latest` may be torn between two writers, so it only serves where nothing else reaches half as far.
  const uint64_t reach = farthest.stamp - start_.stamp;
  if (IsPlausible(start_, header.latest) && (header.latest.stamp - start_.stamp) / 2 > reach) farthest = header.latest;
  if (farthest.stamp == start_.stamp) {
    ns_per_stamp_ = 1.0 / 3.0;  // nothing to go by: a common 3 GHz, so that orders of magnitude are right
    return;
  }
  ns_per_stamp_ = static_cast<double>(farthest.monotonic_ns - start_.monotonic_ns) /
                  static_cast<double>(farthest.stamp - start_.stamp);
}

double Timeline::Seconds(uint64_t stamp) const {
  if (stamp == 0) return 0.0;
  const double distance =
      stamp >= start_.stamp ? static_cast<double>(stamp - start_.stamp) : -static_cast<double>(start_.stamp - stamp);
  return distance * ns_per_stamp_ / 1e9;
}

int64_t Timeline::Monotonic(uint64_t stamp) const {
  constexpr double kCentury = 4e18;  // damaged stamps must not overflow the integer
  return static_cast<int64_t>(
      std::clamp(static_cast<double>(start_.monotonic_ns) + Seconds(stamp) * 1e9, -kCentury, kCentury));
}

}  // namespace fdaudit::analyzer
