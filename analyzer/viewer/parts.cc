#include "analyzer/viewer/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "analyzer/model/frame_class.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

constexpr size_t kTopCauses = 5;
constexpr size_t kLongestCommand = 300;
constexpr int kDeepestNesting = 40;

std::string CommandOf(const Json& words) {
  std::string text;
  for (const Json& word : words) text += (text.empty() ? "" : " ") + word.get<std::string>();
  if (text.size() <= kLongestCommand) return text;
  size_t end = kLongestCommand;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "…";
}

std::string ProgramOf(const Json& document) {
  const Json& command = document["session"]["command"];
  if (!command.empty()) return std::string(BaseName(command[0].get<std::string>()));
  return document["processes"].empty() ? "the program" : std::string(BaseName(TextOf(document["processes"][0], "exe")));
}

std::string Plural(uint64_t count, const char* one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

/// How the first process ended, as a clause: "was killed".
std::string EndOf(const Json& document) {
  if (document["processes"].empty()) return "left no process in the trace";
  const Json& end = document["processes"][0]["end"];
  const std::string how = TextOf(end, "how");
  const auto status = static_cast<int>(NumberOf(end, "status"));
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
    return TextOf(finding, "kind") == "exhausted" && TextOf(finding, "severity") == "error";
  };
  const auto found = std::find_if(findings.begin(), findings.end(), is_exhaustion);
  if (found != findings.end()) return &*found;
  return findings.empty() ? nullptr : &findings.front();
}

}  // namespace

uint64_t NumberOf(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() && *found >= 0 ? found->get<uint64_t>() : 0;
}

std::string VerdictSentence(const Json& document) {
  const std::string program = ProgramOf(document) + " " + EndOf(document);
  const Json* worst = WorstFinding(document);
  if (worst == nullptr) return program + ", and nothing was found.";
  return fmt::format("{}; {}: {}.", program, TextOf(*worst, "kind"), TextOf(*worst, "message"));
}

void WriteSummary(const Json& document, Html* out) {
  const Json& session = document["session"];
  out->Raw("<dl class=facts><dt>command</dt><dd><code><bdi>")
      .Text(CommandOf(session["command"]))
      .Raw("</bdi></code></dd>");
  out->Raw("<dt>host</dt><dd><bdi>").Text(TextOf(session, "host")).Raw("</bdi></dd><dt>started</dt><dd><time>");
  out->Text(TextOf(session, "started")).Raw("</time></dd><dt>lasted</dt><dd>");
  out->Text(fmt::format("{:.6g} s", session.value("duration_s", 0.0))).Raw("</dd><dt>processes</dt><dd>");
  out->Number(document["processes"].size()).Raw("</dd></dl>\n<ul class=counts>");
  for (const auto& [severity, count] : document["summary"]["by_severity"].items()) {
    out->Raw("<li><span class=\"severity ").Text(severity).Raw("\">").Text(severity).Raw("</span> ");
    out->Number(count.get<uint64_t>()).Raw("</li>");
  }
  out->Raw("</ul>\n");
  if (document["findings"].empty()) return;
  out->Raw("<h3>Top causes</h3>\n<ol class=causes>");
  size_t told = 0;
  for (const Json& finding : document["findings"]) {
    if (told++ == kTopCauses) break;
    out->Raw("<li><a href=\"#").Text(AnchorOf(finding)).Raw("\">").Text(TextOf(finding, "kind")).Raw("</a>: ");
    out->Text(TextOf(finding, "message")).Raw("</li>\n");
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
  for (const Json& process : document["processes"]) children_[TextOf(process, "parent")].push_back(&process);
  if (history == nullptr) return;
  for (const Json& process : (*history)["processes"]) curves_[TextOf(process, "id")] = &process;
}

/// Who it got what from: the opener, in an ancestor.
void Processes::WriteInherited(const std::string& id) {
  const auto curve = curves_.find(id);
  if (curve == curves_.end() || (*curve->second)["inherited"].empty()) return;
  out_.Raw("<details class=inherited><summary>inherited, beyond 0–2</summary><ul>");
  for (const Json& one : (*curve->second)["inherited"]) {
    const int path = one[1].get<int>();
    const std::string call = (*history_)["calls"][one[2].get<size_t>()].get<std::string>();
    out_.Raw("<li>").Raw(std::to_string(one[0].get<int>()));
    if (!call.empty()) out_.Raw(", opened by <code>").Text(call).Raw("</code>");
    if (path >= 0 && !(*history_)["paths"][static_cast<size_t>(path)].empty()) {
      const Json& frames = (*history_)["paths"][static_cast<size_t>(path)];
      out_.Raw(" at <bdi>").Text((*history_)["frames"][frames.back().get<size_t>()].get<std::string>()).Raw("</bdi>");
    }
    if (one[3].get<int>() >= 0) {
      out_.Raw(" <bdi>").Text((*history_)["targets"][one[3].get<size_t>()].get<std::string>()).Raw("</bdi>");
    }
    out_.Raw("</li>");
  }
  out_.Raw("</ul></details>");
}

void Processes::WriteOne(const Json& process, int depth) {
  const std::string id = TextOf(process, "id");
  const Json& counts = process["descriptors"];
  out_.Raw("<li id=\"").Text(id).Raw("\"><span class=process><b>").Text(id).Raw("</b> <code><bdi>");
  out_.Text(CommandOf(process["argv"]))
      .Raw("</bdi></code></span> <span class=place>pid ")
      .Number(NumberOf(process, "pid"));
  out_.Raw(", by ").Text(TextOf(process, "started_by")).Raw(", end: ").Text(TextOf(process["end"], "how"));
  if (const uint64_t status = NumberOf(process["end"], "status"); status != 0) out_.Raw(" ").Number(status);
  out_.Raw("</span><br><span class=numbers>")
      .Text(Plural(NumberOf(counts, "inherited"), "descriptor"))
      .Raw(" inherited, ");
  out_.Number(NumberOf(counts, "opened")).Raw(" opened, ").Number(NumberOf(counts, "closed")).Raw(" closed, at most ");
  out_.Number(NumberOf(counts, "peak"))
      .Raw(" open, ")
      .Number(NumberOf(counts, "open_at_end"))
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
  size_t told = 0;
  if (history != nullptr) {
    for (const Json& line : (*history)["coverage"]) {
      out->Raw("<li>").Text(line.get<std::string>()).Raw("</li>\n");
      ++told;
    }
  }
  for (const Json& process : document["processes"]) {
    const Json& coverage = process["coverage"];
    const uint64_t opens = NumberOf(coverage, "untracked_opens");
    const uint64_t closes = NumberOf(coverage, "untracked_closes");
    const uint64_t dropped = NumberOf(coverage, "events_dropped");
    if (opens + closes + dropped == 0 && coverage["reasons"].empty()) continue;
    ++told;
    out->Raw("<li><a href=\"#").Text(TextOf(process, "id")).Raw("\">").Text(TextOf(process, "id")).Raw("</a>: ");
    out->Text(
        fmt::format("{} unseen, {} unseen, {} not recorded", Plural(opens, "open"), Plural(closes, "close"), dropped));
    for (const Json& reason : coverage["reasons"]) out->Raw(", <code>").Text(reason.get<std::string>()).Raw("</code>");
    out->Raw("</li>\n");
  }
  if (told == 0) out->Raw("<li>All of it was seen: every process's ledger equalled the kernel's table.</li>\n");
  out->Raw("</ul>\n");
}

}  // namespace fdaudit::analyzer
