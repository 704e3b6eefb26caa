#pragma once

// What an audit did not see, in words: honest and short.

#include <string>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// One line for each way in which something was missed; none where all was seen.
std::vector<std::string> CoverageLines(const Model& model);

}  // namespace fdaudit::analyzer
