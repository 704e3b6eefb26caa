#pragma once

// A trace as JSON lines (docs/dump.schema.json): one object for each event of the journal, and for each descriptor that
// a process left open, oldest first.

#include <cstdio>

#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

struct DumpOptions {
  bool raw = false;  ///< call paths as the trace has them: module and offset, without functions and inlined calls
};

/// Writes all events of the report's traces. False where `out` could not be written.
bool WriteEvents(const Report& report, const DumpOptions& options, std::FILE* out);

}  // namespace fdaudit::analyzer
