#pragma once

// From the paths that a command was given to the traces and stored reports that it looks at.

#include <optional>
#include <string>
#include <vector>

#include "analyzer/model/model.h"
#include "analyzer/output/document.h"
#include "analyzer/trace/trace_file.h"

namespace fdaudit::analyzer {

/// What a command was given, sorted out. Each input was opened once: it may be a pipe.
struct Inputs {
  std::vector<std::string> traces;
  std::vector<Document> reports;
};

/// Reads those that are stored reports. Throws TraceError.
Inputs ReadInputs(const std::vector<std::string>& paths);

/// All of them as one, whatever their order; what was given twice counts once. There must be one.
Document MergeReports(std::vector<Document> reports);

/// The traces that `paths` mean, files and directories; of a directory the newest session, or `all`. One that is still
/// being made is passed over as long as there are others. `notes` gets what was left out. Throws TraceError.
std::vector<TraceFile> OpenTraces(const std::vector<std::string>& paths, bool all, std::vector<std::string>* notes);

/// Brings them into an order of their own, whatever the order that they were given in, and removes those that were
/// given twice.
void OrderTraces(std::vector<TraceFile>* files);

/// Traces in memory whose programs have ended go to the folders where they were asked for.
void MoveEnded(const std::vector<std::string>& paths, const Model& model);

}  // namespace fdaudit::analyzer
