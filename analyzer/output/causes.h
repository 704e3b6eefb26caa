#pragma once

// In words and numbers: how a leak grew, and what became of its siblings.

#include <optional>
#include <string>

#include "analyzer/detect/finding.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// How long after the process's end (or from now on, where it runs) the table would be full; none where unknown.
std::optional<double> FullInSeconds(const Growth& growth);

/// "10 calls from 0.000366 s to 0.000521 s, 9,800 descriptors a second; …".
std::string DescribeGrowth(const Growth& growth);

/// "31 of 40 opened on this call path were closed: 31 at finish (job.c:88)".
std::string DescribeSiblings(Model& model, const Siblings& siblings);

/// The line of a last use; nullptr where it is in none of the program's.
const Frame* PlaceOf(Model& model, const LastUse& use);

/// "write at session_handle (session.cc:22), 71 of 88"; empty where no use is known.
std::string DescribeLastUses(Model& model, const Finding& finding);

}  // namespace fdaudit::analyzer
