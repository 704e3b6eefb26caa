#pragma once

// Findings of one cause are one finding: same kind, same call paths in the same roles, whichever process they came
// from.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analyzer/detect/finding.h"

namespace fdaudit::analyzer {

/// Adds `from` to `into`: what it counts, numbers, descriptors and processes. The story of the earlier one is kept; the
/// worse severity and the better certainty hold.
void Merge(Finding* into, Finding from);

class Grouping {
 public:
  void Add(Finding finding);
  /// The groups, in the order in which they were first met.
  std::vector<Finding> Take();

 private:
  std::map<std::string, size_t> known_;
  std::vector<Finding> findings_;
};

}  // namespace fdaudit::analyzer
