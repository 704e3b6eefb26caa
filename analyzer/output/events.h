#pragma once

// The journal as JSON lines: one object for each event, oldest first.

#include <cstdio>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// Writes all events of the model's files. False where `out` could not be written.
bool WriteEvents(Model& model, std::FILE* out);

}  // namespace fdaudit::analyzer
