#include "analyzer/detect/grouping.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "analyzer/detect/story.h"
#include "analyzer/model/hash.h"

namespace fdaudit::analyzer {
namespace {

/// Of the call paths in their roles. Events without a stack are distinguished by the call alone.
uint64_t VariantOf(const Finding& finding) {
  Fnv hash;
  for (const StoryEvent& event : finding.events) {
    if (event.is_background || event.role == Role::kInherited || event.role == Role::kForked)
      continue;  // how it came here is no other cause
    hash.Add(static_cast<uint64_t>(event.role));
    hash.Add(uint64_t{event.path});
    if (event.path == kNoPath) hash.Add(event.call);
  }
  return hash.value();
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
  if (from.certainty < into->certainty) {
    into->certainty = from.certainty;
    into->why = std::move(from.why);
  }
  for (size_t kind = 0; kind < kKinds; ++kind) into->includes[kind] |= from.includes[kind];
  into->growing |= from.growing;
  into->held_until_exit &= from.held_until_exit;
  into->over_images &= from.over_images;
  into->one_time &= from.one_time;
  if (from.keeper.empty()) into->keeper.clear();
  if (from.growth && (!into->growth || into->growth->calls < from.growth->calls)) into->growth = from.growth;
  into->count += from.count;
  into->last_uses.insert(into->last_uses.end(), from.last_uses.begin(), from.last_uses.end());
  into->fds.insert(into->fds.end(), from.fds.begin(), from.fds.end());
  TidyFds(&into->fds);
  for (DescriptorNote& note : from.descriptors) {
    if (into->descriptors.size() < kMaxDescriptors) into->descriptors.push_back(std::move(note));
  }
  into->processes.insert(into->processes.end(), from.processes.begin(), from.processes.end());
  std::sort(into->processes.begin(), into->processes.end());
  into->processes.erase(std::unique(into->processes.begin(), into->processes.end()), into->processes.end());
}

std::string LineOf(CallPaths& paths, PathId path, size_t seen_through, const std::string& call) {
  const Frame* frame = paths.Location(path, seen_through);
  if (frame == nullptr) return call;
  const bool is_named = !frame->file.empty() && frame->line > 0;
  return is_named ? fmt::format("{} {}:{}", frame->function, frame->file, frame->line)
                  : fmt::format("{} {:x}", frame->module, frame->offset);
}

/// A system error's number is part of the cause where the finding is about that. A finding that has an event whose path
/// was lost is a cause of its own: what it has in common with another's is not known.
std::string Grouping::CauseOf(const Finding& finding) {
  const StoryEvent& deciding = finding.events[finding.deciding];
  const bool is_lost = std::any_of(finding.events.begin(), finding.events.end(), [](const StoryEvent& event) {
    return event.has_lost_path && !event.is_background && event.role != Role::kInherited && event.role != Role::kForked;
  });
  if (is_lost) return fmt::format("{} #{}", static_cast<int>(finding.kind), findings_.size());
  const bool is_of_error = finding.kind == Kind::kCloseError || finding.kind == Kind::kExhausted;
  return fmt::format("{} {} {}", static_cast<int>(finding.kind), is_of_error ? finding.error : 0,
                     LineOf(model_.paths(), deciding.path, deciding.seen_through, deciding.call));
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
  const auto [known, is_new] = known_.try_emplace(CauseOf(finding), findings_.size());
  const bool is_variant = variants_.insert({known->second, VariantOf(finding)}).second;
  if (is_new) {
    findings_.push_back(std::move(finding));
    return;
  }
  if (is_variant) findings_[known->second].variants += finding.variants;
  Merge(&findings_[known->second], std::move(finding));
}

std::vector<Finding> Grouping::Take() { return std::move(findings_); }

}  // namespace fdaudit::analyzer
