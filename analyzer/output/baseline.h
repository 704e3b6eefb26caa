#pragma once

// What a stored report knew, read without the rest of it: of 1 GB of JSON a gate needs 20 MB.

#include <string>

#include "analyzer/gate/gate.h"

namespace fdaudit::analyzer {

/// The findings of a report that `-f json` has written. Throws TraceError.
Baseline ReadBaseline(const std::string& path);

}  // namespace fdaudit::analyzer
