#pragma once

// The report's JSON (docs/report.schema.json), sent wherever JSON goes: finding by finding, because a document of many
// takes ten times its size in memory.

#include "analyzer/output/json/events.h"
#include "analyzer/output/json/writer.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

/// `most_findings`: the first so many, with their stacks.
void SendReport(const Report& report, JsonEvents* to, size_t most_findings = SIZE_MAX);
/// One of them by itself, and the object of the stacks that it names.
void SendFinding(const Report& report, const Finding& finding, JsonEvents* to);
void SendStacks(const Report& report, const Finding& finding, JsonEvents* to);
/// The verdict, as the value of the root's member "gate".
void WriteGate(const Verdict& verdict, JsonWriter& out);

/// What a session has lost, as the value of "lost" in the root's member "coverage".
void WriteLosses(const Losses& lost, JsonWriter& out);

/// Text of the audited program: repaired, and null where it is empty.
std::optional<std::string> TextOrNull(std::string_view text);
std::optional<std::string> IdOrNull(const Model& model, ProcessIndex process);

}  // namespace fdaudit::analyzer
