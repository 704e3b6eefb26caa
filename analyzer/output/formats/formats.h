#pragma once

// What the formats of other tools share. Each renders a report finding by finding; texts in it are valid UTF-8 already,
// and may hold anything else: markup, control characters, workflow commands.

#include <string>
#include <string_view>

#include "analyzer/output/document.h"
#include "analyzer/output/finding_source.h"

namespace fdaudit::analyzer {

void RenderSarif(const FindingSource& source, const FormatOptions& options, const Sink& sink);
void RenderJunit(const FindingSource& source, const FormatOptions& options, const Sink& sink);
void RenderGithub(const FindingSource& source, const FormatOptions& options, const Sink& sink);
void RenderGitlab(const FindingSource& source, const FormatOptions& options, const Sink& sink);
void RenderMarkdown(const FindingSource& source, const FormatOptions& options, const Sink& sink);

/// "src/config.c" for "/build/app/src/config.c" below the root; other names as they are.
std::string RelativePath(const std::string& file, const FormatOptions& options);

/// The directory that relative names start from: absolute, with a slash at its end.
const std::string& RootDirectory(const FormatOptions& options);

/// The file and line that the finding points to. Empty file: none is known.
struct SourceLine {
  std::string file;
  int line = 0;
};
SourceLine SourceLineOf(const Document::Json& place, const FormatOptions& options);

/// What the document may lack, as a sentence without its full stop; empty where it lacks nothing.
std::string LossOf(const Document::Json& document);

/// The finding's message, with the test (or checkpoint) in which it happened.
std::string MessageOf(const Document::Json& finding);

/// "opened by open at load_config (config.c:41)" for each event of the finding, one a line.
std::string StoryOf(const Document::Json& stacks, const Document::Json& finding);

}  // namespace fdaudit::analyzer
