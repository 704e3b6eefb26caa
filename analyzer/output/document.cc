#include "analyzer/output/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/json.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

using Json = Document::Json;

std::string TextOr(const Json& object, const char* key, const char* otherwise = "") {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

int NumberOr(const Json& object, const char* key, int otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<int>() : otherwise;
}

Frame ReadFrame(const Json& json) {
  Frame frame;
  frame.function = TextOr(json, "function");
  frame.file = TextOr(json, "file");
  frame.line = NumberOr(json, "line", 0);
  frame.module = TextOr(json, "module");
  frame.is_python = TextOr(json, "language") == "python";
  frame.is_runtime = IsRuntime(frame);
  return frame;
}

Severity SeverityOf(const Json& finding) {
  const std::string name = TextOr(finding, "severity");
  return name == "error" ? Severity::kError : name == "warning" ? Severity::kWarning : Severity::kNote;
}

/// Adds what `list` lacks, up to `most` elements.
void Unite(Json& list, const Json& more, size_t most) {
  for (const Json& one : more) {
    if (list.size() < most && std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
  }
}

/// Both reports' descriptors of one call path, and who closed them.
void MergeSiblings(Json& into, const Json& other) {
  if (!into.is_object() || !other.is_object()) {
    if (into.is_null()) into = other;
    return;
  }
  for (const char* key : {"opened", "closed"}) into[key] = into[key].get<uint64_t>() + other[key].get<uint64_t>();
  into["complete"] = into["complete"].get<bool>() && other["complete"].get<bool>();
  for (const Json& closer : other["closers"]) {
    const auto same = std::find_if(into["closers"].begin(), into["closers"].end(),
                                   [&](const Json& known) { return known["stack"] == closer["stack"]; });
    if (same == into["closers"].end()) {
      into["closers"].push_back(closer);
    } else {
      (*same)["count"] = (*same)["count"].get<uint64_t>() + closer["count"].get<uint64_t>();
    }
  }
}

/// How the leak grew is told of the process where it grew most.
void MergeGrowth(Json& into, const Json& other) {
  const auto calls = [](const Json& growth) { return growth.is_object() ? growth["calls_here"].get<uint64_t>() : 0; };
  if (calls(other) > calls(into)) into = other;
}

/// The same cause in another report.
void MergeFinding(Json& into, const Json& other) {
  constexpr std::string_view kTogether = "; all reports together: ";
  const uint64_t count = into["count"].get<uint64_t>() + other["count"].get<uint64_t>();
  const std::string message = TextOr(into, "message");
  into["message"] = fmt::format("{}{}{}", message.substr(0, message.find(kTogether)), kTogether, count);
  if (SeverityOf(other) < SeverityOf(into)) into["severity"] = other["severity"];
  into["growing"] = into["growing"].get<bool>() || other["growing"].get<bool>();
  into["own"] = into["own"].get<bool>() || other["own"].get<bool>();
  Unite(into["processes"], other["processes"], SIZE_MAX);
  Unite(into["fds"], other["fds"], kMaxFds);
  std::sort(into["fds"].begin(), into["fds"].end());
  Json& descriptors = into["descriptors"];
  for (const Json& one : other["descriptors"]) {
    if (descriptors.size() < kMaxDescriptors) descriptors.push_back(one);
  }
  MergeGrowth(into["growth"], other.value("growth", Json()));
  MergeSiblings(into["siblings"], other.value("siblings", Json()));
  into["count"] = count;
  into["omitted"] = count < descriptors.size() || descriptors.empty() ? 0 : count - descriptors.size();
}

/// "p3" is "p10" behind seven processes of other reports.
void Renumber(Json& id, size_t before) {
  if (!id.is_string()) return;
  id = "p" + std::to_string(std::stoul(id.get<std::string>().substr(1)) + before);
}

void RenumberProcesses(Json& document, size_t before) {
  for (Json& process : document["processes"]) {
    Renumber(process["id"], before);
    Renumber(process["parent"], before);
  }
  for (Json& context : document["contexts"]) Renumber(context["process"], before);
  for (Json& finding : document["findings"]) {
    for (Json& id : finding["processes"]) Renumber(id, before);
    for (Json& event : finding["events"]) Renumber(event["process"], before);
    for (Json& descriptor : finding["descriptors"]) {
      if (descriptor["received_from"].is_object()) Renumber(descriptor["received_from"]["process"], before);
    }
  }
}

void SumUp(Json& document) {
  Json& summary = document["summary"];
  for (auto& [name, count] : summary["by_kind"].items()) count = 0;
  for (auto& [name, count] : summary["by_severity"].items()) count = 0;
  for (const Json& finding : document["findings"]) {
    Json& of_kind = summary["by_kind"][TextOr(finding, "kind")];
    Json& of_severity = summary["by_severity"][TextOr(finding, "severity")];
    of_kind = of_kind.get<uint64_t>() + 1;
    of_severity = of_severity.get<uint64_t>() + 1;
  }
  summary["findings"] = document["findings"].size();
}

/// What every reader of this file relies on. Empty: it is there.
std::string ProblemOf(const Json& document) {
  std::string problem = SchemaProblem(document.is_object() ? TextOr(document, "schema") : "");
  if (!problem.empty()) return problem;
  for (const char* key : {"session", "processes", "findings", "stacks", "summary"}) {
    if (!document.contains(key)) return fmt::format("'{}' is missing from the report", key);
  }
  for (const Json& finding : document["findings"]) {
    for (const char* key : {"id", "kind", "severity", "own", "growing", "message", "count", "processes", "fds",
                            "descriptors", "events"}) {
      if (!finding.contains(key)) return fmt::format("a finding without '{}'", key);
    }
    if (!FindKind(TextOr(finding, "kind"))) return "a finding of unknown kind '" + TextOr(finding, "kind") + "'";
  }
  return "";
}

}  // namespace

Document::Document() : json_(std::make_unique<Json>()) {}
Document::Document(const Report& report) : json_(std::make_unique<Json>(ReportJson(report))) {}
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;
Document::~Document() = default;

Document Document::Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw TraceError(path, strerror(errno));
  Document document;
  try {
    *document.json_ = Json::parse(file);
    const std::string problem = ProblemOf(*document.json_);
    if (!problem.empty()) throw TraceError(path, problem);
  } catch (const nlohmann::json::parse_error& error) {
    throw TraceError(path, error.byte, "no valid JSON");
  } catch (const nlohmann::json::exception& error) {
    throw TraceError(path, std::string("not a report: ") + error.what());
  }
  return document;
}

void Document::Add(const Json& members) { json_->update(members); }

void Document::Merge(Document other) {
  RenumberProcesses(*other.json_, (*json_)["processes"].size());
  for (Json& process : (*other.json_)["processes"]) (*json_)["processes"].push_back(std::move(process));
  for (Json& context : (*other.json_)["contexts"]) (*json_)["contexts"].push_back(std::move(context));
  for (auto& [key, stack] : (*other.json_)["stacks"].items()) {
    if (!(*json_)["stacks"].contains(key)) (*json_)["stacks"][key] = std::move(stack);
  }
  std::map<std::string, Json*> by_id;
  Json& findings = (*json_)["findings"];
  for (Json& finding : findings) by_id[TextOr(finding, "id")] = &finding;
  std::vector<Json> added;
  for (Json& finding : (*other.json_)["findings"]) {
    const auto same = by_id.find(TextOr(finding, "id"));
    if (same == by_id.end()) {
      added.push_back(std::move(finding));
    } else {
      MergeFinding(*same->second, finding);
    }
  }
  for (Json& finding : added) findings.push_back(std::move(finding));
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Json& a, const Json& b) { return SeverityOf(a) < SeverityOf(b); });
  Json& session = (*json_)["session"];
  const Json& theirs = (*other.json_)["session"];
  session["started"] = std::min(TextOr(session, "started"), TextOr(theirs, "started"));
  Json& summary = (*json_)["summary"];
  const Json& more = (*other.json_)["summary"];
  summary["left_out"] = summary.value("left_out", uint64_t{0}) + more.value("left_out", uint64_t{0});
  if (summary.value("ignore_before", Json()).is_null()) summary["ignore_before"] = more.value("ignore_before", Json());
  session["duration_s"] = std::max(session["duration_s"].get<double>(), theirs["duration_s"].get<double>());
  SumUp(*json_);
}

std::vector<Subject> Document::Subjects() {
  std::vector<Subject> subjects;
  locations_.clear();
  for (const Json& finding : (*json_)["findings"]) {
    Subject subject;
    subject.id = TextOr(finding, "id");
    subject.kind = *FindKind(TextOr(finding, "kind"));
    subject.severity = SeverityOf(finding);
    subject.own = finding["own"].get<bool>();
    subject.count = finding["count"].get<uint64_t>();
    subject.message = TextOr(finding, "message");
    const Json& events = finding["events"];
    const auto deciding = static_cast<size_t>(NumberOr(finding, "deciding", 0));
    const std::string stack = deciding < events.size() ? TextOr(events[deciding], "stack") : "";
    if (!stack.empty()) {
      const auto [known, is_new] = stacks_.try_emplace(stack);
      if (is_new) {
        for (const Json& frame : (*json_)["stacks"][stack]) {
          known->second.Add(&frames_.emplace_back(ReadFrame(frame)));
        }
      }
      subject.traits.frames = &known->second;
    }
    if (finding.contains("location") && finding["location"].is_object()) {
      Frame location = ReadFrame(finding["location"]);
      for (const Frame& frame : subject.traits.frames == nullptr ? FrameList() : *subject.traits.frames) {
        const bool is_it = frame.function == location.function && frame.line == location.line;
        if (is_it && location.module.empty()) location.module = frame.module;
      }
      locations_.push_back(std::make_unique<Frame>(std::move(location)));
      subject.traits.location = locations_.back().get();
      subject.place = Describe(*locations_.back());
    }
    for (const Json& one : finding["descriptors"]) subject.traits.targets.push_back(TextOr(one, "target"));
    subjects.push_back(std::move(subject));
  }
  return subjects;
}

void Document::SetVerdict(const std::vector<Subject>& subjects, const Verdict& verdict) {
  Json& findings = (*json_)["findings"];
  for (size_t i = 0; i < subjects.size() && i < findings.size(); ++i) {
    findings[i]["state"] = Name(subjects[i].state);
    findings[i]["gates"] = subjects[i].gates;
  }
  (*json_)["gate"] = GateJson(verdict);
}

std::string SchemaProblem(const std::string& schema) {
  if (schema.empty()) return "no fdaudit report (run `fdaudit report -f json`)";
  return schema == "fdaudit-report/1" ? "" : "a report of schema '" + schema + "'; this version reads fdaudit-report/1";
}

bool LooksLikeReport(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char first = 0;
  return static_cast<bool>(file >> first) && first == '{';
}

}  // namespace fdaudit::analyzer
