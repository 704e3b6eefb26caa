#pragma once

// Where the threads of a process stand, as text and as members of the report.

#include <string>

#include "analyzer/detect/standing.h"
#include "analyzer/output/document.h"

namespace fdaudit::analyzer {

/// One screen at most for a program of a few threads.
std::string RenderStanding(Model& model, const Standing& standing);
/// Adds the members `standing` and `threads`.
void AddStanding(Model& model, const Standing& standing, Document* document);

}  // namespace fdaudit::analyzer
