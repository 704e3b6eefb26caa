#pragma once

// Findings of one cause are one finding: same kind, same call paths in the same roles, whichever process they came
// from.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// Adds `from` to `into`: what it counts, numbers, descriptors and processes. The story of the earlier one is kept; the
/// worse severity and the better certainty hold.
void Merge(Finding* into, Finding from);

class Grouping {
 public:
  /// What a process did before it reached the checkpoint `ignore_before` is left out; "" = nothing is.
  Grouping(const Model& model, std::string ignore_before) : model_(model), ignore_before_(std::move(ignore_before)) {}

  void Add(Finding finding);
  /// For detectors that report many acts at once: whether this one is left out, which then counts as one descriptor.
  bool LeavesOut(ProcessIndex process, double time_s);
  uint64_t left_out() const { return left_out_; }
  /// The groups, in the order in which they were first met.
  std::vector<Finding> Take();

 private:
  bool IsEarly(ProcessIndex process, double time_s) const;

  const Model& model_;
  std::string ignore_before_;
  uint64_t left_out_ = 0;
  std::map<std::string, size_t> known_;
  std::vector<Finding> findings_;
};

}  // namespace fdaudit::analyzer
