#pragma once

// The parts of the page that are plain HTML.

#include <string>

#include "analyzer/output/document.h"
#include "analyzer/output/formats/formats.h"
#include "analyzer/viewer/html.h"
#include "analyzer/viewer/page.h"

namespace fdaudit::analyzer {

/// One sentence: what died, and of what.
std::string VerdictSentence(const Document::Json& document);

void WriteSummary(const Document::Json& document, Html* out);
/// Returns how many findings get one line only.
size_t WriteFindings(const Document::Json& document, const PageOptions& options, Html* out);
/// A stack, from the innermost frame outwards.
void WriteFrames(const Document::Json& document, const Document::Json& frames, const PageOptions& options, Html* out);
/// What `report --pid` and `--core` add.
void WriteThreads(const Document::Json& document, const PageOptions& options, Html* out);
void WriteProcesses(const Document::Json& document, const Document::Json* history, Html* out);
void WriteCoverage(const Document::Json& document, const Document::Json* history, Html* out);

/// "f-1-9f2c…": where the finding stands in the page.
std::string AnchorOf(const Document::Json& finding);

}  // namespace fdaudit::analyzer
