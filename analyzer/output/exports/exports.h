#pragma once

// Formats for tools that draw: flame graphs, profiles, timelines. They show what a report leaves out, the descriptors
// that are no finding, so they are rendered from the model and need the traces; a stored report is not enough.

#include <string>

#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

/// True for folded, pprof and perfetto.
bool IsTraceFormat(const std::string& format);

/// The whole text, or for pprof the compressed bytes.
std::string RenderExport(const Report& report, const std::string& format);

/// Lines of "program;outermost;…;innermost COUNT": descriptors open at the end, by call path.
std::string RenderFolded(const Report& report);
/// profile.proto, compressed by gzip: sample types open and leaked, in descriptors.
std::string RenderPprof(const Report& report);
/// Trace-event JSON: a track for each number, with its lives; a counter for each process; an instant for each finding.
std::string RenderPerfetto(const Report& report);

/// "load_config", "TestApp.test_reload (test_app.py)", or "app+0x1139" where the function is not known.
std::string FrameName(const Frame& frame);

}  // namespace fdaudit::analyzer
