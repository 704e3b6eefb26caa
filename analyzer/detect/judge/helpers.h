#pragma once

// Functions that open or close for others (os_close, xopen, uv__close): nobody's own code. What they do is their
// callers' doing, for a finding's location as for the judge. CallPaths::SetHelpers() takes them.
//
// A closing helper is called by several functions that close different code's descriptors, and neither it nor what lies
// inside of it opens anything; an opening one the other way round. Which code's they are is seen by the functions that
// opened them; where all came through one function, by that one's callers, and then it takes three, or two where its
// name says nothing of what it closes. A function of no class whose name says that it just closes ("os_close") is taken
// at its word. Disputed closes count for those who failed. C++ destructors are helpers in any case.

#include <set>
#include <vector>

#include "analyzer/detect/judge/closings.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

std::set<CallPaths::Helper> FindHelpers(Model& model, const std::vector<Proof>& proofs, const Closings& closings);

}  // namespace fdaudit::analyzer
