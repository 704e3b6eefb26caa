// The findings of the page: a line each that opens to the whole story.

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "analyzer/detect/kinds.h"
#include "analyzer/viewer/parts.h"
#include "analyzer/viewer/sources.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

constexpr size_t kMostStories = 2000;
constexpr size_t kMostBytes = 8 << 20;  // of findings with their stories
constexpr size_t kMostNumbers = 100;
constexpr double kForetelling = 0.5;  // seconds: what less has shown foretells nothing

std::string Seconds(const Json& event) {
  return event["time_s"].IsNumber() ? fmt::format("{:.6f} s", event["time_s"].Real()) : "";
}

class Findings {
 public:
  Findings(const Json& document, const PageOptions& options, Html* out)
      : document_(document), options_(options), format_{options.source_root}, out_(*out) {}

  size_t Write();
  void WriteFrames(const Json& frames);

 private:
  void WriteLine(const Json& finding);
  void WriteStory(const Json& finding);
  void WriteFact(const char* name, const std::string& text);
  void WriteDescriptors(const Json& finding);
  void WriteCauses(const Json& finding);
  void WriteEvent(const Json& event, bool is_deciding);
  void WriteStack(const std::string& key);
  void WriteFrame(const Json& frame, bool is_first_own);
  void WriteSource(const Json& frame, int around);
  void WriteFix(const Json& finding);
  std::string ModulesOf(const Json& finding) const;

  const Json& document_;
  const PageOptions& options_;
  FormatOptions format_;
  Html& out_;
  Sources sources_;
  std::set<std::pair<std::string, int>> shown_lines_;  // of source, in this story
};

/// Of the own frames of the deciding event, for the filter.
std::string Findings::ModulesOf(const Json& finding) const {
  std::set<std::string> modules;
  for (const Json& event : finding["events"]) {
    modules.insert(document_["stacks"][event["stack"].Text()][0]["module"].Text());
  }
  modules.erase("");
  std::string text;
  for (const std::string& module : modules) text += (text.empty() ? "" : "\n") + module;
  return text;
}

void Findings::WriteLine(const Json& finding) {
  const std::string severity = finding["severity"].Text();
  out_.Raw("<summary><span class=\"severity ")
      .Text(severity)
      .Raw("\">")
      .Text(severity)
      .Raw("</span> <span class=kind>");
  out_.Text(finding["kind"].Text()).Raw("</span> <span class=message>").Text(finding["message"].Text());
  out_.Raw("</span>");
  if (finding["growing"].IsTrue()) out_.Raw(" <span class=badge>growing</span>");
  if (finding["gates"].IsTrue()) out_.Raw(" <span class=badge>fails the gate</span>");
  if (const std::string state = finding["state"].Text(); !state.empty() && state != "new") {
    out_.Raw(" <span class=badge>").Text(state).Raw("</span>");
  }
  if (const std::string certainty = finding["certainty"].Text(); !certainty.empty() && certainty != "proven") {
    out_.Raw(" <span class=badge>").Text(certainty).Raw("</span>");
  }
  out_.Raw("</summary>\n");
}

void Findings::WriteFact(const char* name, const std::string& text) {
  if (!text.empty()) out_.Raw("<dt>").Raw(name).Raw("</dt><dd>").Text(text).Raw("</dd>\n");
}

void Findings::WriteDescriptors(const Json& finding) {
  std::string numbers;
  size_t count = 0;
  for (const Json& fd : finding["fds"]) {
    if (count++ == kMostNumbers) break;
    numbers += (numbers.empty() ? "" : ", ") + std::to_string(fd.Int());
  }
  WriteFact("numbers", numbers);
  if (finding["descriptors"].empty()) return;
  out_.Raw("<dt>what</dt><dd><ul>");
  std::vector<std::pair<const Json*, size_t>> distinct;  // equal ones once
  for (const Json& one : finding["descriptors"]) {
    const auto same = std::find_if(distinct.begin(), distinct.end(), [&one](const auto& other) {
      return (*other.first)["type"].Text() == one["type"].Text() &&
             (*other.first)["target"].Text() == one["target"].Text();
    });
    if (same == distinct.end()) {
      distinct.emplace_back(&one, 1);
    } else {
      ++same->second;
    }
  }
  for (const auto& [one, times] : distinct) {
    out_.Raw("<li>").Text((*one)["type"].Text()).Raw(" <bdi>").Text((*one)["target"].Text()).Raw("</bdi>");
    if (times > 1) out_.Raw(" (").Number(times).Raw(" times)");
    out_.Raw("</li>");
  }
  if (const uint64_t omitted = finding["omitted"].Count(); omitted != 0) {
    out_.Raw("<li>and ").Number(omitted).Raw(" more</li>");
  }
  out_.Raw("</ul></dd>\n");
}

void Findings::WriteCauses(const Json& finding) {
  if (finding["growth"].IsObject()) {
    const Json& growth = finding["growth"];
    std::string text = fmt::format("{} calls from {:.6f} s to {:.6f} s", growth["calls"].Count(),
                                   growth["first_s"].Real(), growth["last_s"].Real());
    const double lasted = growth["per_second"].IsNumber()
                              ? static_cast<double>(growth["calls_here"].Count()) / growth["per_second"].Real()
                              : 0;
    if (growth["full_in_s"].IsNumber() && lasted >= kForetelling) {
      text += fmt::format("; at this rate {:.6g} seconds more until the limit of {}", growth["full_in_s"].Real(),
                          growth["limit"].Count());
    }
    WriteFact("growth", text);
  }
  if (!finding["siblings"].IsObject()) return;
  const Json& siblings = finding["siblings"];
  std::string text = fmt::format("{} of the {} descriptors opened there were closed", siblings["closed"].Count(),
                                 siblings["opened"].Count());
  for (const Json& closer : siblings["closers"]) {
    if (!closer["location"].IsObject()) continue;
    const SourceLine line = SourceLineOf(closer["location"], format_);
    text += fmt::format("; {} at {} ({}:{})", closer["count"].Count(), closer["location"]["function"].Text(), line.file,
                        line.line);
  }
  WriteFact("siblings", text);
}

/// Of the innermost own frame with its surroundings, of the others the line alone; each once in a story.
void Findings::WriteSource(const Json& frame, int around) {
  if (!options_.show_sources || !frame["own"].IsTrue()) return;
  const auto line = static_cast<int>(frame["line"].Count());
  if (!shown_lines_.emplace(frame["file"].Text(), line).second) return;
  const std::vector<Sources::Line> lines = sources_.Around(frame["file"].Text(), line, around);
  if (lines.empty()) return;
  out_.Raw("<pre class=source>");
  for (const Sources::Line& one : lines) {
    out_.Raw(one.number == line ? "<b>" : "<span>").Text(fmt::format("{:5}  ", one.number)).Text(one.text);
    out_.Raw(one.number == line ? "</b>\n" : "</span>\n");
  }
  out_.Raw("</pre>");
}

void Findings::WriteFrame(const Json& frame, bool is_first_own) {
  const SourceLine source = SourceLineOf(frame, format_);
  const std::string function = frame["function"].Text();
  const std::string module = frame["module"].Text();
  out_.Raw(frame["own"].IsTrue() ? "<li class=own><code><bdi>" : "<li><code><bdi>");
  out_.Text(function.empty() ? module + "+" + frame["offset"].Text() : function).Raw("</bdi></code>");
  const std::string place = source.file.empty() ? (function.empty() ? "" : module + " " + frame["offset"].Text())
                                                : fmt::format("{}:{}", source.file, source.line);
  if (!place.empty()) out_.Raw(" <span class=place><bdi>").Text(place).Raw("</bdi></span>");
  WriteSource(frame, is_first_own ? 2 : 0);
  out_.Raw("</li>\n");
}

void Findings::WriteStack(const std::string& key) {
  const Json* const stack = document_["stacks"].Find(key);
  if (stack != nullptr) WriteFrames(*stack);
}

void Findings::WriteFrames(const Json& frames) {
  const auto is_own = [](const Json& frame) { return frame["own"].IsTrue(); };
  const bool has_own = std::any_of(frames.begin(), frames.end(), is_own);
  const auto first_own = std::find_if(frames.begin(), frames.end(), is_own);
  out_.Raw("<ol class=stack>");
  for (auto frame = frames.begin(); frame != frames.end();) {
    const auto next = std::find_if(frame, frames.end(), is_own);
    // Of code that is not your own, two frames or more are folded, where there is any that is.
    const bool folds = has_own && next - frame > 1;
    if (folds) {
      out_.Raw("<li><details class=folded><summary>").Number(static_cast<uint64_t>(next - frame));
      out_.Raw(" frames of libraries</summary><ol class=stack>");
    }
    for (; frame != next; ++frame) WriteFrame(*frame, false);
    if (folds) out_.Raw("</ol></details></li>");
    if (frame != frames.end()) {
      WriteFrame(*frame, frame == first_own);
      ++frame;
    }
  }
  out_.Raw("</ol>");
}

void Findings::WriteEvent(const Json& event, bool is_deciding) {
  out_.Raw(is_deciding ? "<li class=deciding><b>" : "<li><b>").Text(event["role"].Text()).Raw("</b> <time>");
  out_.Text(Seconds(event)).Raw("</time>");
  if (const std::string call = event["call"].Text(); !call.empty()) out_.Raw(" <code>").Text(call).Raw("</code>");
  if (event["fd"].IsNumber() && event["fd"].Int() >= 0) {
    out_.Raw(" descriptor <b class=number>").Raw(std::to_string(event["fd"].Int())).Raw("</b>");
  }
  if (const std::string process = event["process"].Text(); !process.empty()) {
    out_.Raw(" in <a href=\"#").Text(process).Raw("\">").Text(process).Raw("</a>");
  }
  if (const uint64_t thread = event["thread"].Count(); thread != 0) out_.Raw(", thread ").Number(thread);
  out_.Raw("\n");
  WriteStack(event["stack"].Text());
  out_.Raw("</li>\n");
}

void Findings::WriteFix(const Json& finding) {
  const std::optional<Kind> kind = FindKind(finding["kind"].Text());
  if (!kind) return;
  out_.Raw("<p class=fix><b>Fix:</b> ").Text(Info(*kind).fix).Raw(".</p>\n");
}

void Findings::WriteStory(const Json& finding) {
  shown_lines_.clear();
  out_.Raw("<div class=story>\n<dl>");
  WriteFact("id", finding["id"].Text());
  WriteFact("test", finding["context"].Text());
  WriteDescriptors(finding);
  WriteCauses(finding);
  out_.Raw("</dl>\n<ol class=events>\n");
  const uint64_t deciding = finding["deciding"].Count();
  uint64_t index = 0;
  for (const Json& event : finding["events"]) WriteEvent(event, index++ == deciding);
  out_.Raw("</ol>\n");
  WriteFix(finding);
  out_.Raw("</div>\n");
}

size_t Findings::Write() {
  const size_t start = out_.size();
  size_t index = 0;
  size_t lines_only = 0;
  for (const Json& finding : document_["findings"]) {
    if (index == kMostFindingsShown) break;
    std::string processes;
    for (const Json& process : finding["processes"]) processes += (processes.empty() ? "" : " ") + process.Text();
    out_.Raw("<details class=finding id=\"")
        .Text(AnchorOf(finding))
        .Raw("\" data-kind=\"")
        .Text(finding["kind"].Text());
    out_.Raw("\" data-severity=\"").Text(finding["severity"].Text()).Raw("\" data-processes=\"").Text(processes);
    out_.Raw("\" data-modules=\"").Text(ModulesOf(finding)).Raw("\">");
    WriteLine(finding);
    if (index++ < kMostStories && out_.size() - start < kMostBytes) {
      WriteStory(finding);
    } else {
      ++lines_only;
      out_.Raw("<p>Its story is in the JSON report.</p>");
    }
    out_.Raw("</details>\n");
  }
  const uint64_t all = document_["summary"]["findings"].Count();
  return lines_only + (all - std::min<uint64_t>(all, index));
}

}  // namespace

std::string AnchorOf(const Json& finding) {
  std::string anchor = "f-" + finding["id"].Text();
  std::replace_if(
      anchor.begin(), anchor.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '-');
  return anchor;
}

void WriteFrames(const Json& document, const Json& frames, const PageOptions& options, Html* out) {
  Findings(document, options, out).WriteFrames(frames);
}

size_t WriteFindings(const Json& document, const PageOptions& options, Html* out) {
  return Findings(document, options, out).Write();
}

}  // namespace fdaudit::analyzer
