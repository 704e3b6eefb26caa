#pragma once

// Which call path closed what which call path had opened, and how often: what the whole session did with descriptors.
// Counted by the trace; in one that has no counts, as far as the ledger remembers.

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "analyzer/detect/judge/proof.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// What one call path opened and another one closed.
using PathPair = std::pair<PathId, PathId>;
using Closings = std::map<PathPair, uint64_t>;

/// Of the session.
Closings ClosingsOf(Model& model, const std::vector<Proof>& proofs);

}  // namespace fdaudit::analyzer
