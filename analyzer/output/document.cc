#include "analyzer/output/document.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/json/text.h"
#include "analyzer/output/report_check.h"
#include "analyzer/output/report_json.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

Frame ReadFrame(const Json& json) {
  Frame frame;
  frame.function = RestoreBytes(json["function"].Text());
  frame.file = RestoreBytes(json["file"].Text());
  frame.line = json["line"].Int();
  frame.module = RestoreBytes(json[json["path"].IsText() ? "path" : "module"].Text());
  frame.offset = std::strtoull(json["offset"].Text().c_str(), nullptr, 16);
  frame.is_python = json["language"].Text() == "python";
  frame.is_runtime = IsRuntime(frame);
  return frame;
}

Severity SeverityOf(const Json& finding) {
  const std::string& name = finding["severity"].Text();
  return name == "error" ? Severity::kError : name == "warning" ? Severity::kWarning : Severity::kNote;
}

/// Adds what `list` lacks, up to `most` elements.
void Unite(Json& list, const Json& more, size_t most) {
  for (const Json& one : more) {
    if (list.size() < most && std::find(list.begin(), list.end(), one) == list.end()) list.Push(one);
  }
}

/// Both reports' descriptors of one call path, and who closed them.
void MergeSiblings(Json& into, const Json& other) {
  if (!into.IsObject() || !other.IsObject()) {
    if (into.IsNull()) into = other;
    return;
  }
  for (const char* key : {"opened", "closed"}) into.At(key) = into[key].Count() + other[key].Count();
  into.At("complete") = into["complete"].IsTrue() && other["complete"].IsTrue();
  Json::List& closers = into.At("closers").MutableElements();
  for (const Json& closer : other["closers"]) {
    const auto same = std::find_if(closers.begin(), closers.end(),
                                   [&](const Json& known) { return known["stack"] == closer["stack"]; });
    if (same == closers.end()) {
      closers.push_back(closer);
    } else {
      same->At("count") = (*same)["count"].Count() + closer["count"].Count();
    }
  }
  std::stable_sort(closers.begin(), closers.end(),
                   [](const Json& a, const Json& b) { return a["count"].Count() > b["count"].Count(); });
  const size_t beyond = closers.size() - std::min(closers.size(), kMaxClosers);
  closers.resize(closers.size() - beyond);
  into.At("omitted") = into["omitted"].Count() + other["omitted"].Count() + beyond;
}

/// How the leak grew is reported for the process where it grew most.
void MergeGrowth(Json& into, const Json& other) {
  if (other["calls_here"].Count() > into["calls_here"].Count()) into = other;
}

/// The same cause in another report.
void MergeFinding(Json& into, const Json& other) {
  constexpr std::string_view kTogether = "; all reports together: ";
  const uint64_t count = into["count"].Count() + other["count"].Count();
  const std::string message = into["message"].Text();
  into.At("message") = fmt::format("{}{}{}", message.substr(0, message.find(kTogether)), kTogether, count);
  if (SeverityOf(other) < SeverityOf(into)) into.At("severity") = other["severity"];
  into.At("growing") = into["growing"].IsTrue() || other["growing"].IsTrue();
  if (!other["held"].IsText()) into.At("held") = other["held"];
  into.At("own") = into["own"].IsTrue() || other["own"].IsTrue();
  Unite(into.At("processes"), other["processes"], SIZE_MAX);
  Unite(into.At("fds"), other["fds"], kMaxFds);
  Json::List& fds = into.At("fds").MutableElements();
  std::sort(fds.begin(), fds.end(), [](const Json& a, const Json& b) { return a.Int() < b.Int(); });
  Json& descriptors = into.At("descriptors");
  for (const Json& one : other["descriptors"]) {
    if (descriptors.size() < kMaxDescriptors) descriptors.Push(one);
  }
  const size_t shown = descriptors.size();
  MergeGrowth(into.At("growth"), other["growth"]);
  MergeSiblings(into.At("siblings"), other["siblings"]);
  into.At("count") = count;
  into.At("omitted") = count < shown || shown == 0 ? 0 : count - shown;
}

/// "p3" is "p10" behind seven processes of other reports.
std::string Renumbered(const std::string& id, size_t before) {
  size_t number = 0;
  if (id.size() > 1) std::from_chars(id.data() + 1, id.data() + id.size(), number);
  return "p" + std::to_string(number + before);
}

void Renumber(Json& of, const char* key, size_t before) {
  if (of[key].IsText()) of.At(key) = Renumbered(of[key].Text(), before);
}

void RenumberProcesses(Json& document, size_t before) {
  for (Json& process : document.At("processes").MutableElements()) {
    Renumber(process, "id", before);
    Renumber(process, "parent", before);
  }
  for (Json& context : document.At("contexts").MutableElements()) Renumber(context, "process", before);
  for (Json& finding : document.At("findings").MutableElements()) {
    for (Json& id : finding.At("processes").MutableElements()) id = Renumbered(id.Text(), before);
    for (Json& event : finding.At("events").MutableElements()) Renumber(event, "process", before);
    for (Json& descriptor : finding.At("descriptors").MutableElements()) {
      if (descriptor["received_from"].IsObject()) Renumber(descriptor.At("received_from"), "process", before);
    }
  }
}

void SumUp(Json& document) {
  Json& summary = document.At("summary");
  for (const char* sums : {"by_kind", "by_severity"}) {
    Json& counts = summary.At(sums);
    Json zeros = Json::EmptyObject();
    for (const Json::Member& one : counts.Members()) zeros.At(one.name) = 0;
    counts = std::move(zeros);
  }
  for (const Json& finding : document["findings"]) {
    Json& of_kind = summary.At("by_kind").At(finding["kind"].Text());
    of_kind = of_kind.Count() + 1;
    Json& of_severity = summary.At("by_severity").At(finding["severity"].Text());
    of_severity = of_severity.Count() + 1;
  }
  summary.At("findings") = document["findings"].size();
}

}  // namespace

Losses LossesOf(const Json& document) {
  const Json& lost = document["coverage"]["lost"];
  const Json& since = lost["since_s"];
  return {lost["findings"].Count(), lost["stacks"].Count(), lost["images"].Count(), lost["events"].Count(),
          since.IsNumber() ? std::optional(since.Real()) : std::nullopt};
}

Document::Document(const Report& report, size_t most_findings) {
  JsonValueMaker maker;
  SendReport(report, &maker, most_findings);
  json_ = maker.Take();
}

Document Document::Read(const std::string& path) { return Read(path, JsonFile(path)); }

Document Document::Read(const std::string& path, JsonFile file) {
  Document document;
  JsonValueMaker maker;
  file.Read(&maker);
  document.json_ = maker.Take();
  CheckReport(path, &document.json_);
  return document;
}

std::optional<Document> Document::ReadIfReport(const std::string& path) {
  std::error_code unknown;
  if (!std::filesystem::exists(path, unknown) || std::filesystem::is_directory(path, unknown)) return std::nullopt;
  JsonFile file(path);
  if (file.has_object()) return Read(path, std::move(file));
  if (file.is_pipe()) throw TraceError(path, "no stored report; a trace has to be a file");
  return std::nullopt;
}

bool operator<(const Document& a, const Document& b) {
  const auto key = [](const Document& one) -> const std::string& { return one.json_["session"]["started"].Text(); };
  if (key(a) != key(b)) return key(a) < key(b);
  const auto text = [](const Document& one) {
    return JsonString(JsonText::Layout::kCompact, [&](JsonText* out) { one.json_.Send(out); });
  };
  return text(a) < text(b);
}

void Document::Merge(Document other) {
  RenumberProcesses(other.json_, json_["processes"].size());
  for (const char* list : {"processes", "contexts"}) {
    for (Json& one : other.json_.At(list).MutableElements()) json_.At(list).Push(std::move(one));
  }
  Json& stacks = json_.At("stacks");
  for (const Json::Member& stack : other.json_["stacks"].Members()) {
    if (!stacks.Has(stack.name)) stacks.At(stack.name) = stack.value;
  }
  MergeFindings(other.json_);
  Json& session = json_.At("session");
  const Json& theirs = other.json_["session"];
  session.At("started") = std::min(session["started"].Text(), theirs["started"].Text());
  Json& summary = json_.At("summary");
  const Json& more = other.json_["summary"];
  summary.At("left_out") = summary["left_out"].Count() + more["left_out"].Count();
  if (summary["ignore_before"].IsNull()) summary.At("ignore_before") = more["ignore_before"];
  Losses lost = Lost();
  lost.Add(other.Lost());
  JsonValueMaker maker;
  JsonWriter out(&maker);
  WriteLosses(lost, out);
  json_.At("coverage").At("lost") = maker.Take();
  for (const char* sum : {"processes", "opened", "closed"}) {
    session.At("folded").At(sum) = session["folded"][sum].Count() + theirs["folded"][sum].Count();
  }
  session.At("duration_s") = std::max(session["duration_s"].Real(), theirs["duration_s"].Real());
  SumUp(json_);
}

/// The worst first; otherwise those that are new here behind the others.
void Document::MergeFindings(Json& other) {
  std::map<std::string, size_t> by_id;
  Json::List& findings = json_.At("findings").MutableElements();
  for (size_t i = 0; i < findings.size(); ++i) by_id[findings[i]["id"].Text()] = i;
  for (Json& finding : other.At("findings").MutableElements()) {
    const auto same = by_id.find(finding["id"].Text());
    if (same == by_id.end()) {
      findings.push_back(std::move(finding));
    } else {
      MergeFinding(findings[same->second], finding);
    }
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Json& a, const Json& b) { return SeverityOf(a) < SeverityOf(b); });
}

std::vector<Subject> Document::Subjects() {
  std::vector<Subject> subjects;
  locations_.clear();
  for (const Json& finding : json_["findings"]) {
    Subject subject;
    subject.id = finding["id"].Text();
    subject.kind = *FindKind(finding["kind"].Text());
    subject.severity = SeverityOf(finding);
    subject.own = finding["own"].IsTrue();
    for (const Json& included : finding["includes"]) {
      if (const std::optional<Kind> kind = FindKind(included.Text()))
        subject.includes[static_cast<size_t>(*kind)] = true;
    }
    subject.count = finding["count"].Count();
    subject.message = finding["message"].Text();
    const Json& events = finding["events"];
    const auto deciding = finding["deciding"].Count();
    const std::string& stack = events[deciding]["stack"].Text();
    subject.traits.is_growing = finding["growing"].IsTrue();
    if (!stack.empty()) {
      const auto [known, is_new] = stacks_.try_emplace(stack);
      if (is_new) {
        for (const Json& frame : json_["stacks"][stack]) {
          known->second.Add(&frames_.emplace_back(ReadFrame(frame)));
        }
      }
      subject.traits.frames = &known->second;
    }
    if (finding["location"].IsObject()) {
      Frame location = ReadFrame(finding["location"]);
      for (const Frame& frame : subject.traits.frames == nullptr ? FrameList() : *subject.traits.frames) {
        const bool is_it = frame.function == location.function && frame.line == location.line;
        if (is_it && location.module.empty()) location.module = frame.module;
      }
      locations_.push_back(std::make_unique<Frame>(std::move(location)));
      subject.traits.location = locations_.back().get();
      subject.place = RepairUtf8(Describe(*locations_.back()));
    }
    for (const Json& one : finding["descriptors"]) subject.traits.targets.push_back(RestoreBytes(one["target"].Text()));
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

void Document::SetVerdict(const std::vector<Subject>& subjects, const Verdict& verdict) {
  Json::List& findings = json_.At("findings").MutableElements();
  for (size_t i = 0; i < subjects.size() && i < findings.size(); ++i) {
    findings[i].At("state") = Name(subjects[i].state);
    findings[i].At("gates") = subjects[i].gates;
  }
  JsonValueMaker gate;
  JsonWriter out(&gate);
  WriteGate(verdict, out);
  json_.At("gate") = gate.Take();
}

}  // namespace fdaudit::analyzer
