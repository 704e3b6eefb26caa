#pragma once

// What became of the descriptors that were opened where a leak was: who closes them when all goes well is usually the
// answer to how to fix the leak. Read from the trace's counts of closes (docs/trace-format.md), which know all
// that was ever closed, whatever the journal still holds.

#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

void AddSiblings(Model& model, std::vector<Finding>* findings);

}  // namespace fdaudit::analyzer
