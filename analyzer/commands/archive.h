#pragma once

// The programs and libraries of a trace, copied beside it: an old trace keeps its names when they have been rebuilt,
// and one that is taken to another machine brings them along.

#include <string>
#include <vector>

#include "analyzer/commands/reporting.h"

namespace fdaudit::analyzer {

/// Copies to FOLDER/.build-id, where reports of the folder's traces look first. Returns what was copied, a sentence;
/// one about what could not be is a complaint on standard error.
std::string ArchiveSymbols(LoadedTraces* loaded, const ReportOptions& options, const std::string& folder);

}  // namespace fdaudit::analyzer
