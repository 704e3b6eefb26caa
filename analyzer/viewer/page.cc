#include "analyzer/viewer/page.h"

#include <fmt/core.h>

#include <string_view>

#include "analyzer/viewer/assets.h"
#include "analyzer/viewer/history.h"
#include "analyzer/viewer/html.h"
#include "analyzer/viewer/parts.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

struct Section {
  const char* id;
  const char* title;
  bool needs_script;
  bool needs_history;
};
constexpr std::string_view kThreads = "threads";  // where a process was looked at besides
constexpr Section kSections[] = {
    {"threads", "Where threads stand", false, false}, {"findings", "Findings", false, false},
    {"time", "Descriptors over time", true, true},    {"paths", "Open descriptors by call path", true, true},
    {"processes", "Processes", false, false},         {"numbers", "Biography of a number", true, true},
    {"coverage", "What was not seen", false, false}};

/// Nothing but the page's own script and style is ever run or used, and nothing is loaded.
std::string Policy() {
  return fmt::format("default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
                     kPageScriptHash, kPageStyleHash);
}

void WriteHead(const std::string& verdict, Html* out) {
  out->Raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
  out->Raw("<meta http-equiv=\"Content-Security-Policy\" content=\"").Raw(Policy()).Raw("\">\n");
  out->Raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
  out->Raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>fdaudit: ")
      .Text(verdict)
      .Raw("</title>\n<style>");
  out->Raw(kPageStyle).Raw("</style>\n</head>\n");
}

bool IsShown(const Section& section, const Json& document, const Json* history) {
  if (section.id == kThreads && !document.Has("threads")) return false;
  return !section.needs_history || history != nullptr;
}

void WriteNavigation(const Json& document, const Json* history, Html* out) {
  out->Raw("<nav aria-label=\"Sections\"><ul>\n");
  for (const Section& section : kSections) {
    if (!IsShown(section, document, history)) continue;
    out->Raw(section.needs_script ? "<li class=scripted hidden>" : "<li>")
        .Raw("<a href=\"#")
        .Raw(section.id)
        .Raw("\">");
    out->Raw(section.title).Raw("</a></li>\n");
  }
  out->Raw("</ul><button type=button id=theme class=scripted hidden>Dark or light</button></nav>\n");
}

void Begin(const Section& section, Html* out) {
  out->Raw(section.needs_script ? "<section class=scripted hidden id=\"" : "<section id=\"").Raw(section.id);
  out->Raw("\" aria-labelledby=\"").Raw(section.id).Raw("-title\">\n<h2 id=\"").Raw(section.id).Raw("-title\">");
  out->Raw(section.title).Raw("</h2>\n");
}

void WriteSection(const Section& section, const Json& document, const Json* history, const PageOptions& options,
                  Html* out) {
  const std::string id = section.id;
  Begin(section, out);
  if (id == "findings") {
    out->Raw("<div id=filters class=scripted hidden></div>\n<p id=shown class=scripted hidden aria-live=polite></p>\n");
    if (document["findings"].empty()) out->Raw("<p>None.</p>\n");
    const size_t left_out = WriteFindings(document, options, out);
    if (left_out != 0) out->Raw("<p>The stories of ").Number(left_out).Raw(" findings were left out.</p>\n");
  } else if (id == kThreads) {
    WriteThreads(document, options, out);
  } else if (id == "processes") {
    WriteProcesses(document, history, out);
  } else if (id == "coverage") {
    WriteCoverage(document, history, out);
    if (history == nullptr) out->Raw("<p>A stored report has no events: charts need the trace.</p>\n");
    out->Raw("<p class=scripted hidden id=omitted></p>\n");
  } else {
    out->Raw("<div class=view></div>\n");
  }
  out->Raw("</section>\n");
}

std::string Render(const Json& document, const Json* history, const PageOptions& options) {
  const std::string verdict = VerdictSentence(document);
  Html out;
  WriteHead(verdict, &out);
  out.Raw("<body>\n<a class=skip href=\"#findings\">To the findings</a>\n<header>\n<p class=name>fdaudit</p>\n<h1>");
  out.Text(verdict).Raw("</h1>\n");
  WriteNavigation(document, history, &out);
  out.Raw("</header>\n<main>\n<section id=summary aria-label=Summary>\n");
  WriteSummary(document, &out);
  out.Raw("</section>\n");
  for (const Section& section : kSections) {
    if (IsShown(section, document, history)) WriteSection(section, document, history, options, &out);
  }
  out.Raw("</main>\n<footer><p>fdaudit ").Text(document["tool"]["version"].Text());
  out.Raw(". Charts are drawn with <a href=\"https://d3js.org/\" rel=noreferrer>D3</a>.</p></footer>\n");
  out.Raw("<script type=\"application/json\" id=history>");
  out.Raw(history == nullptr ? "null" : ScriptJson(*history)).Raw("</script>\n<script>").Raw(kPageScript);
  return out.Raw("</script>\n</body>\n</html>\n").Take();
}

}  // namespace

std::string RenderPage(const Document& document, const Report* report, const PageOptions& options) {
  if (report == nullptr) return Render(document.json(), nullptr, options);
  const Json history = HistoryJson(*report);
  return Render(document.json(), &history, options);
}

}  // namespace fdaudit::analyzer
