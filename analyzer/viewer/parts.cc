#include "analyzer/viewer/parts.h"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>

#include "analyzer/model/frame_class.h"
#include "analyzer/output/coverage.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

constexpr size_t kTopCauses = 5;
constexpr size_t kLongestCommand = 300;
constexpr int kDeepestNesting = 40;

std::string CommandOf(const Json& words) {
  std::string text;
  for (const Json& word : words) text += (text.empty() ? "" : " ") + word.Text();
  if (text.size() <= kLongestCommand) return text;
  size_t end = kLongestCommand;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "…";
}

std::string ProgramOf(const Json& document) {
  const Json& command = document["session"]["command"];
  if (!command.empty()) return std::string(BaseName(command[0].Text()));
  return document["processes"].empty() ? "the program" : std::string(BaseName(document["processes"][0]["exe"].Text()));
}

std::string Plural(uint64_t count, const char* one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

/// How the first process ended, as a clause: "was killed".
std::string EndOf(const Json& document) {
  if (document["processes"].empty()) return "left no process in the trace";
  const Json& end = document["processes"][0]["end"];
  const std::string how = end["how"].Text();
  const auto status = static_cast<int>(end["status"].Count());
  if (how == "exit") return fmt::format("exited with status {}", status);
  if (how == "signal") {
    const char* name = sigabbrev_np(status);
    return fmt::format("was ended by signal {}{}", status, name == nullptr ? "" : fmt::format(" (SIG{})", name));
  }
  if (how == "killed") return "was killed";
  if (how == "running") return "still runs";
  return how == "exec" ? "went on as another program" : "ended, it is not known how";
}

const Json* WorstFinding(const Json& document) {
  const Json& findings = document["findings"];
  const auto is_exhaustion = [](const Json& finding) {
    return finding["kind"].Text() == "exhausted" && finding["severity"].Text() == "error";
  };
  const auto found = std::find_if(findings.begin(), findings.end(), is_exhaustion);
  if (found != findings.end()) return &*found;
  return findings.empty() ? nullptr : &findings[0];
}

}  // namespace

std::string VerdictSentence(const Json& document) {
  const std::string program = ProgramOf(document) + " " + EndOf(document);
  const Json* worst = WorstFinding(document);
  if (worst == nullptr) return program + ", and nothing was found.";
  return fmt::format("{}; {}: {}.", program, (*worst)["kind"].Text(), (*worst)["message"].Text());
}

void WriteSummary(const Json& document, Html* out) {
  const Json& session = document["session"];
  out->Raw("<dl class=facts><dt>command</dt><dd><code><bdi>")
      .Text(CommandOf(session["command"]))
      .Raw("</bdi></code></dd>");
  out->Raw("<dt>host</dt><dd><bdi>").Text(session["host"].Text()).Raw("</bdi></dd><dt>started</dt><dd><time>");
  out->Text(session["started"].Text()).Raw("</time></dd><dt>lasted</dt><dd>");
  out->Text(fmt::format("{:.6g} s", session["duration_s"].Real())).Raw("</dd><dt>processes</dt><dd>");
  out->Number(document["processes"].size()).Raw("</dd></dl>\n<ul class=counts>");
  for (const auto& [severity, count] : document["summary"]["by_severity"].Members()) {
    out->Raw("<li><span class=\"severity ").Text(severity).Raw("\">").Text(severity).Raw("</span> ");
    out->Number(count.Count()).Raw("</li>");
  }
  out->Raw("</ul>\n");
  if (document["findings"].empty()) return;
  out->Raw("<h3>Top causes</h3>\n<ol class=causes>");
  size_t shown = 0;
  for (const Json& finding : document["findings"]) {
    if (shown++ == kTopCauses) break;
    out->Raw("<li><a href=\"#").Text(AnchorOf(finding)).Raw("\">").Text(finding["kind"].Text()).Raw("</a>: ");
    out->Text(finding["message"].Text()).Raw("</li>\n");
  }
  out->Raw("</ol>\n");
}

namespace {

class Processes {
 public:
  Processes(const Json& document, const Json* history, Html* out);
  void Write();

 private:
  void WriteOne(const Json& process, int depth);
  void WriteInherited(const std::string& id);

  const Json* history_;
  Html& out_;
  std::map<std::string, std::vector<const Json*>> children_;
  std::map<std::string, const Json*> curves_;
};

Processes::Processes(const Json& document, const Json* history, Html* out) : history_(history), out_(*out) {
  for (const Json& process : document["processes"]) children_[process["parent"].Text()].push_back(&process);
  if (history == nullptr) return;
  for (const Json& process : (*history)["processes"]) curves_[process["id"].Text()] = &process;
}

/// Who it got what from: the opener, in an ancestor.
void Processes::WriteInherited(const std::string& id) {
  const auto curve = curves_.find(id);
  if (curve == curves_.end() || (*curve->second)["inherited"].empty()) return;
  out_.Raw("<details class=inherited><summary>inherited, beyond 0–2</summary><ul>");
  for (const Json& one : (*curve->second)["inherited"]) {
    const int path = one[1].Int();
    const std::string call = (*history_)["calls"][one[2].Count()].Text();
    out_.Raw("<li>").Raw(std::to_string(one[0].Int()));
    if (!call.empty()) out_.Raw(", opened by <code>").Text(call).Raw("</code>");
    if (path >= 0 && !(*history_)["paths"][static_cast<size_t>(path)].empty()) {
      const Json& frames = (*history_)["paths"][static_cast<size_t>(path)];
      out_.Raw(" at <bdi>").Text((*history_)["frames"][frames[frames.size() - 1].Count()].Text()).Raw("</bdi>");
    }
    if (one[3].Int() >= 0) {
      out_.Raw(" <bdi>").Text((*history_)["targets"][one[3].Count()].Text()).Raw("</bdi>");
    }
    out_.Raw("</li>");
  }
  out_.Raw("</ul></details>");
}

void Processes::WriteOne(const Json& process, int depth) {
  const std::string id = process["id"].Text();
  const Json& counts = process["descriptors"];
  out_.Raw("<li id=\"").Text(id).Raw("\"><span class=process><b>").Text(id).Raw("</b> <code><bdi>");
  out_.Text(CommandOf(process["argv"]))
      .Raw("</bdi></code></span> <span class=place>pid ")
      .Number(process["pid"].Count());
  out_.Raw(", by ").Text(process["started_by"].Text()).Raw(", end: ").Text(process["end"]["how"].Text());
  if (const uint64_t status = process["end"]["status"].Count(); status != 0) out_.Raw(" ").Number(status);
  out_.Raw("</span><br><span class=numbers>")
      .Text(Plural(counts["inherited"].Count(), "descriptor"))
      .Raw(" inherited, ");
  out_.Number(counts["opened"].Count()).Raw(" opened, ").Number(counts["closed"].Count()).Raw(" closed, at most ");
  out_.Number(counts["peak"].Count())
      .Raw(" open, ")
      .Number(counts["open_at_end"].Count())
      .Raw(" open at the end</span>");
  WriteInherited(id);
  const auto children = children_.find(id);
  if (children != children_.end() && depth < kDeepestNesting) {
    out_.Raw("\n<ul>");
    for (const Json* child : children->second) WriteOne(*child, depth + 1);
    out_.Raw("</ul>");
  } else if (children != children_.end()) {
    out_.Raw("<p>The tree goes on deeper; see the JSON report.</p>");
  }
  out_.Raw("</li>\n");
}

void Processes::Write() {
  out_.Raw("<ul class=tree>\n");
  for (const Json* root : children_[""]) WriteOne(*root, 0);
  out_.Raw("</ul>\n");
}

}  // namespace

void WriteProcesses(const Json& document, const Json* history, Html* out) { Processes(document, history, out).Write(); }

void WriteCoverage(const Json& document, const Json* history, Html* out) {
  out->Raw("<ul class=coverage>\n");
  size_t lines = 0;
  if (history != nullptr) {
    for (const Json& line : (*history)["coverage"]) {
      out->Raw("<li>").Text(line.Text()).Raw("</li>\n");
      ++lines;
    }
  } else if (const std::string loss = DescribeLosses(LossesOf(document)); !loss.empty()) {
    out->Raw("<li>").Text(loss).Raw("</li>\n");
    ++lines;
  }
  for (const Json& process : document["processes"]) {
    const Json& coverage = process["coverage"];
    const uint64_t opens = coverage["untracked_opens"].Count();
    const uint64_t closes = coverage["untracked_closes"].Count();
    const uint64_t dropped = coverage["events_dropped"].Count();
    if (opens + closes + dropped == 0 && coverage["reasons"].empty()) continue;
    ++lines;
    out->Raw("<li><a href=\"#").Text(process["id"].Text()).Raw("\">").Text(process["id"].Text()).Raw("</a>: ");
    out->Text(
        fmt::format("{} unseen, {} unseen, {} not recorded", Plural(opens, "open"), Plural(closes, "close"), dropped));
    for (const Json& reason : coverage["reasons"]) out->Raw(", <code>").Text(reason.Text()).Raw("</code>");
    out->Raw("</li>\n");
  }
  if (lines == 0) out->Raw("<li>All of it was seen: every process's ledger equalled the kernel's table.</li>\n");
  out->Raw("</ul>\n");
}

}  // namespace fdaudit::analyzer
