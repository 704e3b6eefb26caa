// What code hosts show beside the lines of a change: GitHub's workflow commands, GitLab's code quality report.

#include <fmt/core.h>

#include "analyzer/output/escape.h"
#include "analyzer/output/formats/formats.h"
#include "analyzer/output/json/text.h"
#include "analyzer/output/json/writer.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

/// A workflow command ends with its line, its properties with a colon or comma.
std::string CommandText(std::string_view text, bool is_property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ','))) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void RenderGithub(const FindingSource& source, const FormatOptions& options, const Sink& sink) {
  if (const std::string loss = LossOf(source.head()); !loss.empty()) {
    const char* command = source.head()["gate"]["failed_for_loss"].IsTrue() ? "error" : "warning";
    sink(fmt::format("::{} title={}::{}\n", command, CommandText("fdaudit: evidence lost", true),
                     CommandText(loss, false)));
  }
  const auto write = [&](const Json& finding, const Json& stacks) {
    const std::string severity = finding["severity"].Text();
    const bool gates = finding["gates"].IsTrue();
    const char* command = gates ? "error" : severity == "note" ? "notice" : "warning";
    const SourceLine line = SourceLineOf(finding["location"], options);
    std::string properties = "title=" + CommandText("fdaudit: " + finding["kind"].Text(), true);
    if (!line.file.empty()) properties += ",file=" + CommandText(EscapeControls(line.file), true);
    if (!line.file.empty() && line.line > 0) properties += fmt::format(",line={}", line.line);
    const std::string text = EscapeControls(MessageOf(finding)) + "\n\n" + StoryOf(stacks, finding);
    sink(fmt::format("::{} {}::{}\n", command, properties, CommandText(text, false)));
  };
  // Known and suppressed findings are no news to anybody.
  for (size_t i = 0; i < source.size(); ++i) {
    if (source.BriefOf(i).is_new) source.Show(i, write);
  }
}

namespace {

/// GitLab shows places in the repository alone, by their relative names: where the finding's lies elsewhere, that of
/// the caller nearest to it that is there.
SourceLine PlaceInRepository(const Json& stacks, const Json& finding, const FormatOptions& options) {
  const auto is_inside = [](const SourceLine& source) { return !source.file.empty() && source.file.front() != '/'; };
  SourceLine source = SourceLineOf(finding["location"], options);
  if (is_inside(source)) return source;
  const std::string& stack = finding["events"][finding["deciding"].Count()]["stack"].Text();
  for (const Json& frame : stacks[stack]) {
    SourceLine caller = SourceLineOf(frame, options);
    if (is_inside(caller)) return caller;
  }
  return {"unknown", 0};
}

void WriteProblem(const Json& stacks, const Json& finding, const FormatOptions& options, JsonWriter& out) {
  const std::string& severity = finding["severity"].Text();
  const SourceLine source = PlaceInRepository(stacks, finding, options);
  out.Object([&] {
    out.Field("description", EscapeControls(MessageOf(finding)));
    out.Field("check_name", finding["kind"].Text());
    out.Field("fingerprint", finding["id"].Text());
    out.Field("severity", severity == "error" ? "critical" : severity == "warning" ? "major" : "info");
    out.Object("location", [&] {
      out.Field("path", EscapeControls(source.file));
      out.Object("lines", [&] { out.Field("begin", std::max(source.line, 1)); });
    });
  });
}

/// GitLab knows problems alone, each with a place.
void WriteLoss(const std::string& loss, JsonWriter& out) {
  out.Object([&] {
    out.Field("description", loss);
    out.Field("check_name", "evidence-lost");
    out.Field("fingerprint", "evidence-lost");
    out.Field("severity", "major");
    out.Object("location", [&] {
      out.Field("path", "unknown");
      out.Object("lines", [&] { out.Field("begin", 1); });
    });
  });
}

}  // namespace

void RenderGitlab(const FindingSource& source, const FormatOptions& options, const Sink& sink) {
  JsonText text(sink);
  JsonWriter out(&text);
  out.List([&] {
    if (const std::string loss = LossOf(source.head()); !loss.empty()) WriteLoss(loss, out);
    const auto write = [&](const Json& finding, const Json& stacks) { WriteProblem(stacks, finding, options, out); };
    for (size_t i = 0; i < source.size(); ++i) {
      if (source.BriefOf(i).is_new) source.Show(i, write);
    }
  });
  sink("\n");
}

}  // namespace fdaudit::analyzer
