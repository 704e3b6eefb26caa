#pragma once

// The last step for every finding: its fingerprint, its location, whether it is the user's own, and its message.

#include <vector>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {

void Finish(Model& model, const DetectOptions& options, std::vector<Finding>* findings);

}  // namespace fdaudit::analyzer
