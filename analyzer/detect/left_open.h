#pragma once

// What each context (a test, a checkpoint) left open when it ended. That is no finding: a cache that the first test
// fills is left by it. It is where to look when a suite leaks, and it also shows what a later context has closed.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct LeftDescriptor {
  DescriptorNote note;
  std::optional<Frame> location;          ///< where it was opened
  bool was_closed = false;                ///< later
  std::string closed_in = std::string();  ///< the context in which it was; empty = in none
};

struct ContextLeft {
  std::string context;
  ProcessIndex process = kNoProcess;
  double began_s = 0;
  std::optional<double> ended_s;            ///< none: it was the process's last one
  uint64_t count = 0;                       ///< descriptors
  std::vector<LeftDescriptor> descriptors;  ///< of these, which the ledger still knows; at most kMaxDescriptors
};

/// Those that left any, in the order of their beginnings.
std::vector<ContextLeft> FindLeftOpen(Model& model);

}  // namespace fdaudit::analyzer
