// Markdown for a comment on a change, or the summary of a job.

#include <fmt/core.h>

#include <algorithm>

#include "analyzer/output/escape.h"
#include "analyzer/output/formats/formats.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

constexpr size_t kMostRows = 100;
constexpr size_t kMostStories = 20;

/// CommonMark lets a backslash stand before any ASCII punctuation; < and & are kept from HTML besides.
std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '\n' || c == '\r') {
      out += ' ';
    } else {
      if (std::string_view("\\`*_{}[]()#+-!|~>@").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string TextOf(const Json& object, const char* key) { return Escape(EscapeControls(object[key].Text())); }

/// Within the line of an HTML tag Markdown reads no backslashes.
std::string Html(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

/// A fence longer than any run of backticks within.
std::string Fenced(const std::string& text) {
  size_t longest = 2;
  size_t run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + "text\n" + text + fence + "\n";
}

std::string VerdictLine(const Json& document) {
  const Json& gate = document["gate"];
  const auto number = [&](const char* key) { return gate[key].Count(); };
  std::string text = fmt::format("**fdaudit: {}.** {} new, {} known, {} suppressed",
                                 gate["failed"].IsTrue() ? "the gate fails" : "the gate passes", number("new"),
                                 number("known"), number("suppressed"));
  if (!gate["gone"].empty()) text += fmt::format(", {} gone", gate["gone"].size());
  return text + "\n";
}

std::string Row(const Json& finding, const FormatOptions& options) {
  const SourceLine source = SourceLineOf(finding["location"], options);
  std::string place = Escape(EscapeControls(source.file));
  if (!place.empty() && source.line > 0) place += fmt::format(":{}", source.line);
  return fmt::format("| {} | {} | {} | {} | {} |\n", finding["gates"].IsTrue() ? "**fails**" : TextOf(finding, "state"),
                     TextOf(finding, "severity"), TextOf(finding, "kind"), Escape(EscapeControls(MessageOf(finding))),
                     place);
}

}  // namespace

void RenderMarkdown(const FindingSource& source, const FormatOptions& options, const Sink& sink) {
  sink(VerdictLine(source.head()));
  if (const std::string loss = LossOf(source.head()); !loss.empty()) sink("\n**" + Escape(loss) + ".**\n");
  if (source.size() == 0) return sink("\nNo findings.\n");
  sink("\n| gate | severity | kind | what | where |\n| --- | --- | --- | --- | --- |\n");
  for (size_t i = 0; i < std::min(source.size(), kMostRows); ++i) {
    source.Show(i, [&](const Json& finding, const Json&) { sink(Row(finding, options)); });
  }
  if (source.size() > kMostRows) sink(fmt::format("\nand {} more\n", source.size() - kMostRows));
  const auto tell = [&](const Json& finding, const Json& stacks) {
    sink(fmt::format("\n<details><summary>{}: {}</summary>\n\n{}\n</details>\n", finding["kind"].Text(),
                     Html(EscapeControls(MessageOf(finding))), Fenced(StoryOf(stacks, finding))));
  };
  size_t stories = 0;
  for (size_t i = 0; i < source.size() && stories < kMostStories; ++i) {
    if (!source.BriefOf(i).gates) continue;
    ++stories;
    source.Show(i, tell);
  }
}

}  // namespace fdaudit::analyzer
