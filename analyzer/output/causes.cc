#include "analyzer/output/causes.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace fdaudit::analyzer {
namespace {

/// Two digits of it.
std::string Rounded(double number) { return fmt::format(fmt::runtime(number < 10 ? "{:.2g}" : "{:.0f}"), number); }

/// In the unit that suits.
std::string Rate(double per_second) {
  const std::pair<double, const char*> units[] = {{1, "second"}, {60, "minute"}, {3600, "hour"}};
  for (const auto& [seconds, name] : units) {
    if (per_second * seconds >= 1) return fmt::format("{} descriptors a {}", Rounded(per_second * seconds), name);
  }
  return fmt::format("{} descriptors a day", Rounded(per_second * 86400));
}

std::string Duration(double seconds) {
  const std::pair<double, const char*> units[] = {{86400, "days"}, {3600, "hours"}, {60, "minutes"}};
  for (const auto& [unit, name] : units) {
    if (seconds >= 2 * unit) return fmt::format("{:.0f} {}", seconds / unit, name);
  }
  return fmt::format("{} seconds", Rounded(seconds));
}

}  // namespace

std::optional<double> FullInSeconds(const Growth& growth) {
  if (growth.per_second <= 0 || growth.limit <= growth.open) return std::nullopt;  // unknown, or reached already
  return static_cast<double>(growth.limit - growth.open) / growth.per_second;
}

std::string DescribeGrowth(const Growth& growth) {
  std::string text = fmt::format("{} call{}", growth.calls, growth.calls == 1 ? "" : "s");
  text += growth.calls == 1 ? fmt::format(" at {:.6f} s", growth.first_s)
                            : fmt::format(" from {:.6f} s to {:.6f} s", growth.first_s, growth.last_s);
  if (growth.paths_here > 1) {
    text += fmt::format("; {} calls of this line over {} call paths", growth.calls_here, growth.paths_here);
  }
  // Half a second of a program's start foretells nothing.
  constexpr double kForetelling = 0.5;
  if (growth.per_second <= 0 || static_cast<double>(growth.calls_here) < growth.per_second * kForetelling) return text;
  text += "; " + Rate(growth.per_second);
  if (const std::optional<double> full_in = FullInSeconds(growth)) {
    text += fmt::format(", {} more until the limit of {}", Duration(*full_in), growth.limit);
  }
  return text;
}

std::string DescribeSiblings(Model& model, const Siblings& siblings) {
  const char* where = siblings.of == Siblings::Of::kPath ? "on this call path" : "in this line (over other call paths)";
  const char* bound = siblings.is_complete ? "" : "at least ";
  if (siblings.closed == 0) {
    return siblings.is_complete ? fmt::format("none of the {} descriptors opened {} was closed", siblings.opened, where)
                                : "not known: the trace had no room to count all closes";
  }
  std::vector<std::pair<std::string, uint64_t>> places;
  for (const Siblings::Closer& closer : siblings.closers) {
    const Frame* frame = model.paths().Location(closer.path);
    const std::string place = frame == nullptr ? "an unknown place" : Describe(*frame);
    const auto known = std::find_if(places.begin(), places.end(), [&](const auto& one) { return one.first == place; });
    if (known == places.end()) {
      places.emplace_back(place, closer.count);
    } else {
      known->second += closer.count;
    }
  }
  std::stable_sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text =
      fmt::format("{}{} of the {} descriptors opened {} were closed", bound, siblings.closed, siblings.opened, where);
  constexpr size_t kMostPlaces = 3;
  for (size_t i = 0; i < std::min(places.size(), kMostPlaces); ++i) {
    const std::string count = places.size() == 1 ? "" : fmt::format("{} ", places[i].second);
    text += fmt::format("{} {}at {}", i == 0 && places.size() > 1 ? ":" : i == 0 ? "" : ",", count, places[i].first);
  }
  if (places.size() > kMostPlaces) text += fmt::format(", and at {} more places", places.size() - kMostPlaces);
  return text;
}

const Frame* PlaceOf(Model& model, const LastUse& use) {
  const Frame* frame = model.paths().Location(use.path);
  return frame == nullptr || frame->is_runtime ? nullptr : frame;
}

std::string DescribeLastUses(Model& model, const Finding& finding) {
  constexpr size_t kMostPlaces = 3;
  std::string text;
  for (size_t i = 0; i < std::min(finding.last_uses.size(), kMostPlaces); ++i) {
    const LastUse& use = finding.last_uses[i];
    if (i > 0) text += "; ";
    text += use.call;
    const Frame* frame = model.paths().Location(use.path);
    if (frame != nullptr) text += " at " + Describe(*frame);
    if (finding.count > 1) text += fmt::format(", {} of {}", use.count, finding.count);
  }
  const size_t more = finding.last_uses.size() - std::min(finding.last_uses.size(), kMostPlaces);
  if (more > 0) text += fmt::format("; and {} more place{}", more, more == 1 ? "" : "s");
  return text;
}

}  // namespace fdaudit::analyzer
