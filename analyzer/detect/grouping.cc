#include "analyzer/detect/grouping.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "analyzer/detect/story.h"

namespace fdaudit::analyzer {
namespace {

/// A finding that has an event whose path was lost gets a key of its own, with `unique` in it: what its cause has in
/// common with another's is not known.
std::string KeyOf(const Finding& finding, size_t unique) {
  std::string key = fmt::format("{} {}", static_cast<int>(finding.kind), finding.error);
  for (const StoryEvent& event : finding.events) {
    if (event.is_background || event.role == Role::kInherited || event.role == Role::kForked)
      continue;  // how it came here is no other cause
    key += ' ' + std::to_string(static_cast<int>(event.role)) + ':' + std::to_string(event.path);
    if (event.path == kNoPath) key += event.has_lost_path ? fmt::format("#{}", unique) : event.call;
  }
  return key;
}

double TimeOf(const Finding& finding) { return finding.events.empty() ? 0.0 : finding.events[finding.deciding].time_s; }

}  // namespace

void Merge(Finding* into, Finding from) {
  if (TimeOf(from) < TimeOf(*into)) {
    std::swap(into->events, from.events);
    std::swap(into->deciding, from.deciding);
    std::swap(into->descriptors, from.descriptors);
  }
  into->severity = std::min(into->severity, from.severity);
  into->certainty = std::min(into->certainty, from.certainty);
  into->growing |= from.growing;
  if (from.growth && (!into->growth || into->growth->calls < from.growth->calls)) into->growth = from.growth;
  into->count += from.count;
  into->fds.insert(into->fds.end(), from.fds.begin(), from.fds.end());
  TidyFds(&into->fds);
  for (DescriptorNote& note : from.descriptors) {
    if (into->descriptors.size() < kMaxDescriptors) into->descriptors.push_back(std::move(note));
  }
  into->processes.insert(into->processes.end(), from.processes.begin(), from.processes.end());
  std::sort(into->processes.begin(), into->processes.end());
  into->processes.erase(std::unique(into->processes.begin(), into->processes.end()), into->processes.end());
}

bool Grouping::IsEarly(ProcessIndex process, double time_s) const {
  return !ignore_before_.empty() && model_.IsBefore(ignore_before_, process, time_s);
}

bool Grouping::LeavesOut(ProcessIndex process, double time_s) {
  if (!IsEarly(process, time_s)) return false;
  ++left_out_;
  return true;
}

void Grouping::Add(Finding finding) {
  if (IsEarly(finding.events[finding.deciding].process, std::max(TimeOf(finding), finding.latest_s))) {
    left_out_ += finding.count;
    return;
  }
  const auto [known, is_new] = known_.try_emplace(KeyOf(finding, findings_.size()), findings_.size());
  if (is_new) {
    findings_.push_back(std::move(finding));
  } else {
    Merge(&findings_[known->second], std::move(finding));
  }
}

std::vector<Finding> Grouping::Take() { return std::move(findings_); }

}  // namespace fdaudit::analyzer
