#pragma once

// Where the descriptors of a leak were last used: what leads from where they were opened to the return that forgot
// them.

#include <cstdint>
#include <map>
#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// Descriptors by their trace::SlotBlock::last_use; 0, of what no recorded call has used, is not counted.
using UseCounts = std::map<uint64_t, uint64_t>;

/// The uses of one process's descriptors as a finding has them.
std::vector<LastUse> LastUsesOf(Model& model, ProcessIndex process, const UseCounts& counts);

/// One entry for each call and line, the most first.
void FoldLastUses(Model& model, std::vector<LastUse>* uses);

}  // namespace fdaudit::analyzer
