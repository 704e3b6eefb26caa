#pragma once

// Findings of one cause are one finding: same kind, same line to look at first, whichever call paths lead there and
// whichever process they came from. The call paths are counted as its variants.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// Adds `from` to `into`: what it counts, numbers, descriptors and processes. The story of the earlier one is kept; the
/// worse severity and the better certainty hold.
void Merge(Finding* into, Finding from);

/// The line to look at first, for comparisons: function, file and line, or module and offset where these are not known.
std::string LineOf(CallPaths& paths, PathId path, size_t seen_through, const std::string& call);

class Grouping {
 public:
  /// What a process did before it reached the checkpoint `ignore_before` is left out; "" = nothing is.
  Grouping(Model& model, std::string ignore_before) : model_(model), ignore_before_(std::move(ignore_before)) {}

  void Add(Finding finding);
  /// Whether one of the same cause was added.
  bool Knows(const Finding& finding) { return known_.contains(CauseOf(finding)); }
  /// For detectors that report many acts at once: whether this one is left out, which then counts as one descriptor.
  bool LeavesOut(ProcessIndex process, double time_s);
  uint64_t left_out() const { return left_out_; }
  /// The groups, in the order in which they were first met.
  std::vector<Finding> Take();

 private:
  bool IsEarly(ProcessIndex process, double time_s) const;

  std::string CauseOf(const Finding& finding);

  Model& model_;
  std::string ignore_before_;
  uint64_t left_out_ = 0;
  std::map<std::string, size_t> known_;             // by cause
  std::set<std::pair<size_t, uint64_t>> variants_;  // index of the finding, hash of its call paths
  std::vector<Finding> findings_;
};

}  // namespace fdaudit::analyzer
