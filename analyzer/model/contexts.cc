// What the processes said they were working at: the test that ran, or a checkpoint (shim/events/context.h).

#include <algorithm>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

void Model::ReadContexts() {
  for (uint32_t file = 0; file < files_.size(); ++file) {
    files_[file].ForEach<trace::ContextChange>(
        trace::RegionKind::kContexts, [&](uint64_t, const trace::ContextChange& change) {
          const ProcessIndex process = Find(file, change.image);
          if (process == kNoProcess) return;
          contexts_[process].push_back({Seconds(file, change.stamp), files_[file].GetText(change.text), change.left});
        });
  }
  for (auto& [process, changes] : contexts_) {
    std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.time_s < b.time_s; });
  }
}

/// A process that has not said anything yet is where its parent was when it started.
std::string Model::ContextAt(ProcessIndex process, double time_s) const {
  for (int generations = 0; process != kNoProcess && generations < 64; ++generations) {
    if (const auto known = contexts_.find(process); known != contexts_.end()) {
      const std::vector<ContextChange>& changes = known->second;
      const auto later = [](double time, const ContextChange& change) { return time < change.time_s; };
      const auto next = std::upper_bound(changes.begin(), changes.end(), time_s, later);
      if (next != changes.begin()) return (next - 1)->text;
    }
    time_s = processes_[process].started_s;
    process = processes_[process].parent;
  }
  return "";
}

bool Model::IsBefore(const std::string& checkpoint, ProcessIndex process, double time_s) const {
  for (int generations = 0; process != kNoProcess && generations < 64; ++generations) {
    for (const ContextChange& change : ContextsOf(process)) {
      if (change.text == checkpoint) return time_s < change.time_s;
    }
    process = processes_[process].parent;
  }
  return false;
}

bool Model::Reaches(const std::string& checkpoint) const {
  return std::any_of(contexts_.begin(), contexts_.end(), [&checkpoint](const auto& of_process) {
    return std::any_of(of_process.second.begin(), of_process.second.end(),
                       [&checkpoint](const ContextChange& change) { return change.text == checkpoint; });
  });
}

const std::vector<ContextChange>& Model::ContextsOf(ProcessIndex process) const {
  static const std::vector<ContextChange> kNone;
  const auto known = contexts_.find(process);
  return known == contexts_.end() ? kNone : known->second;
}

}  // namespace fdaudit::analyzer
