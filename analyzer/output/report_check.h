#pragma once

// Whether a stored report is one: anybody may have written it, and what renders, merges and judges relies on all that
// docs/report.schema.json says.

#include <string>

#include "analyzer/output/json/value.h"

namespace fdaudit::analyzer {

/// Throws TraceError with the JSON pointer of the first thing that is wrong: by the schema, or because a process, a
/// stack or an event is named that is not there, or processes are their own ancestors. Adds what a report of an older
/// version lacks.
void CheckReport(const std::string& path, JsonValue* report);

/// What is wrong with a document of this schema ("" = it names none); empty where it can be read.
std::string SchemaProblem(const std::string& schema);

}  // namespace fdaudit::analyzer
