#include "analyzer/output/json.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>
#include <utility>

#include "analyzer/detect/kinds.h"
#include "analyzer/model/python_act.h"
#include "analyzer/model/reasons.h"
#include "analyzer/output/causes.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/report.h"
#include "analyzer/version.h"

namespace fdaudit::analyzer {
namespace {

using Json = nlohmann::ordered_json;

Json Text(const std::string& text) { return RepairUtf8(text); }
Json TextOrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Text(text); }
Json LineOrNull(int line) { return line > 0 ? Json(line) : Json(nullptr); }

/// Microseconds are what the clocks are good for; more digits would only be noise.
double Seconds(double seconds) { return std::round(seconds * 1e6) / 1e6; }

Json TextList(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.push_back(Text(text));
  return list;
}

std::string StackKey(const CallPaths& paths, PathId path) { return fmt::format("s:{:016x}", paths.Hash(path)); }

Json SessionJson(const Session& session) {
  return {{"command", TextList(session.command)},
          {"host", Text(session.host)},
          {"started", FormatTime(session.started_realtime_ns)},
          {"duration_s", Seconds(session.duration_s)}};
}

Json IdOrNull(const Model& model, ProcessIndex process) {
  return process == kNoProcess ? Json(nullptr) : Json(model.processes()[process].id);
}

Json UntrackedJson(const std::vector<Untracked>& descriptors) {
  Json list = Json::array();
  for (const Untracked& one : descriptors) {
    list.push_back({{"what", one.is_open ? "open" : "close"},
                    {"fd", one.fd},
                    {"type", Name(one.kind)},
                    {"target", TextOrNull(one.target)},
                    {"not_before_s", Seconds(one.not_before_s)},
                    {"not_after_s", Seconds(one.not_after_s)},
                    {"why", one.why}});
  }
  return list;
}

Json ProcessJson(const Model& model, const Process& process, const std::vector<Untracked>& untracked) {
  const uint64_t differences = process.untracked_opens + process.untracked_closes;
  return {{"id", process.id},
          {"pid", process.pid},
          {"parent", IdOrNull(model, process.parent)},
          {"started_by", Name(process.started_by, process.parent != kNoProcess)},
          {"exe", Text(process.exe)},
          {"argv", TextList(process.argv)},
          {"end", {{"how", Name(process.end.kind)}, {"status", process.end.status}}},
          {"descriptors",
           {{"opened", process.opened},
            {"closed", process.closed},
            {"inherited", process.inherited},
            {"peak", process.peak},
            {"open_at_end", process.open_at_end}}},
          {"coverage",
           {{"untracked_opens", process.untracked_opens},
            {"untracked_closes", process.untracked_closes},
            {"untracked", UntrackedJson(untracked)},
            {"untracked_omitted", differences > untracked.size() ? differences - untracked.size() : 0},
            {"events_dropped", process.events_dropped},
            {"reasons", ReasonNames(process)}}}};
}

Json SenderJson(const Model& model, const std::optional<Sender>& sender) {
  if (!sender) return nullptr;
  return {{"pid", sender->pid == 0 ? Json(nullptr) : Json(sender->pid)}, {"process", IdOrNull(model, sender->process)}};
}

Json DescriptorsJson(const Model& model, const Finding& finding) {
  Json list = Json::array();
  for (const DescriptorNote& note : finding.descriptors) {
    list.push_back({{"fd", note.fd},
                    {"type", Name(note.kind)},
                    {"target", TextOrNull(note.target)},
                    {"close_on_exec", note.close_on_exec},
                    {"received_from", SenderJson(model, note.received_from)},
                    {"registered_in", note.registered_in < 0 ? Json(nullptr) : Json(note.registered_in)},
                    {"duplicated_from", note.duplicated_from < 0 ? Json(nullptr) : Json(note.duplicated_from)}});
  }
  return list;
}

Json EventsJson(Model& model, const Finding& finding) {
  Json list = Json::array();
  for (const StoryEvent& event : finding.events) {
    const PythonAct python = PythonActOf(model.paths().Frames(event.path));
    list.push_back({{"role", Name(event.role)},
                    {"call", TextOrNull(event.call)},
                    {"process", IdOrNull(model, event.process)},
                    {"thread", event.thread == 0 ? Json(nullptr) : Json(event.thread)},
                    {"time_s", Seconds(event.time_s)},
                    {"fd", event.fd},
                    {"by_collector", python.by_collector},
                    {"object", TextOrNull(python.object)},
                    {"stack", event.path == kNoPath ? Json(nullptr) : Json(StackKey(model.paths(), event.path))}});
  }
  return list;
}

Json LocationJson(const Frame* frame) {
  if (frame == nullptr) return nullptr;
  return {
      {"function", TextOrNull(frame->function)}, {"file", TextOrNull(frame->file)}, {"line", LineOrNull(frame->line)}};
}

Json GrowthJson(const std::optional<Growth>& growth) {
  if (!growth) return nullptr;
  const std::optional<double> full_in = FullInSeconds(*growth);
  return {{"calls", growth->calls},
          {"first_s", Seconds(growth->first_s)},
          {"last_s", Seconds(growth->last_s)},
          {"calls_here", growth->calls_here},
          {"paths_here", growth->paths_here},
          {"per_second", growth->per_second > 0 ? Json(growth->per_second) : Json(nullptr)},
          {"open", growth->open},
          {"limit", growth->limit != 0 ? Json(growth->limit) : Json(nullptr)},
          {"full_in_s", full_in ? Json(Seconds(*full_in)) : Json(nullptr)}};
}

Json SiblingsJson(Model& model, const std::optional<Siblings>& siblings) {
  if (!siblings) return nullptr;
  Json closers = Json::array();
  for (const Siblings::Closer& closer : siblings->closers) {
    if (closers.size() == kMaxClosers) break;
    closers.push_back({{"count", closer.count},
                       {"stack", StackKey(model.paths(), closer.path)},
                       {"location", LocationJson(model.paths().Location(closer.path))}});
  }
  const size_t omitted = siblings->closers.size() - closers.size();
  return {{"of", siblings->of == Siblings::Of::kPath ? "path" : "line"},
          {"opened", siblings->opened},
          {"closed", siblings->closed},
          {"complete", siblings->is_complete},
          {"closers", std::move(closers)},
          {"omitted", omitted}};
}

Json FindingJson(Model& model, const Finding& finding) {
  Json processes = Json::array();
  for (const ProcessIndex process : finding.processes) processes.push_back(model.processes()[process].id);
  const uint64_t told = finding.descriptors.size();
  return {{"id", finding.id},
          {"kind", Name(finding.kind)},
          {"severity", Name(finding.severity)},
          {"certainty", Name(finding.certainty)},
          {"growing", finding.growing},
          {"one_time", finding.one_time},
          {"own", finding.own},
          {"gates", finding.gates},
          {"state", Name(finding.state)},
          {"processes", std::move(processes)},
          {"message", Text(finding.message)},
          {"count", finding.count},
          {"fds", finding.fds},
          {"descriptors", DescriptorsJson(model, finding)},
          {"omitted", told == 0 || told > finding.count ? 0 : finding.count - told},
          {"events", EventsJson(model, finding)},
          {"deciding", finding.deciding},
          {"location", LocationJson(finding.location ? &*finding.location : nullptr)},
          {"growth", GrowthJson(finding.growth)},
          {"siblings", SiblingsJson(model, finding.siblings)},
          {"context", TextOrNull(finding.context)}};
}

Json StackJson(const FrameList& frames) {
  Json list = Json::array();
  for (const Frame& frame : frames) {
    list.push_back({{"function", TextOrNull(frame.function)},
                    {"file", TextOrNull(frame.file)},
                    {"line", LineOrNull(frame.line)},
                    {"module", TextOrNull(std::string(BaseName(frame.module)))},
                    {"offset", frame.is_python ? Json(nullptr) : Json(fmt::format("{:#x}", frame.offset))},
                    {"language", frame.is_python ? "python" : "native"},
                    {"own", !frame.is_runtime && IsOwn(frame, "")}});
  }
  return list;
}

template <typename Out>
void TellStacks(const Report& report, Out* out) {
  CallPaths& paths = report.model->paths();
  std::set<PathId> done = {kNoPath};
  std::unordered_set<uint64_t> told;  // code made at run time may lie at one address in two processes
  const auto add = [&](PathId path) {
    if (!done.insert(path).second || !told.insert(paths.Hash(path)).second) return;
    out->Member(StackKey(paths, path), StackJson(paths.Frames(path)));
  };
  for (const Finding& finding : report.findings) {
    for (const StoryEvent& event : finding.events) add(event.path);
    if (!finding.siblings) continue;
    const std::vector<Siblings::Closer>& closers = finding.siblings->closers;
    for (size_t i = 0; i < std::min(closers.size(), kMaxClosers); ++i) add(closers[i].path);
  }
}

/// Tests and other contexts that left descriptors open.
Json ContextsJson(const Report& report) {
  Json list = Json::array();
  for (const ContextLeft& left : report.contexts) {
    Json descriptors = Json::array();
    for (const LeftDescriptor& one : left.descriptors) {
      descriptors.push_back({{"fd", one.note.fd},
                             {"type", Name(one.note.kind)},
                             {"target", TextOrNull(one.note.target)},
                             {"opened_at", LocationJson(one.location ? &*one.location : nullptr)},
                             {"closed", one.was_closed},
                             {"closed_in", TextOrNull(one.closed_in)}});
    }
    const size_t told = descriptors.size();
    list.push_back({{"context", Text(left.context)},
                    {"process", report.model->processes()[left.process].id},
                    {"began_s", Seconds(left.began_s)},
                    {"ended_s", left.ended_s ? Json(Seconds(*left.ended_s)) : Json(nullptr)},
                    {"left_open", left.count},
                    {"descriptors", std::move(descriptors)},
                    {"omitted", left.count - told}});
  }
  return list;
}

Json SummaryJson(const Report& report) {
  Json kinds = Json::object();
  for (const KindInfo& info : AllKinds()) kinds[info.name] = report.by_kind[static_cast<size_t>(info.kind)];
  Json severities = Json::object();
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
    severities[Name(severity)] = report.by_severity[static_cast<size_t>(severity)];
  }
  return {{"findings", report.findings.size()},
          {"by_kind", std::move(kinds)},
          {"by_severity", std::move(severities)},
          {"ignore_before", TextOrNull(report.ignore_before)},
          {"left_out", report.left_out}};
}

}  // namespace

Json GateJson(const Verdict& gate) {
  Json gone = Json::array();
  for (const auto& [id, known] : gate.gone) {
    gone.push_back({{"id", id}, {"kind", known.kind}, {"message", known.message}});
  }
  return {{"failed", gate.failed},     {"fail_on", gate.fail_on},
          {"scope", Name(gate.scope)}, {"new", gate.new_findings},
          {"known", gate.known},       {"suppressed", gate.suppressed},
          {"gone", std::move(gone)},   {"unused_suppressions", TextList(gate.unused_suppressions)}};
}

namespace {

std::string Indented(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace); }

/// The root's members one by one, and the elements of its large ones: as text.
class TextOut {
 public:
  explicit TextOut(const Sink& sink) : sink_(sink) { Open("{"); }

  void Member(const std::string& name, const Json& value) { Put("\"" + name + "\": ", value); }
  void Element(const Json& value) { Put("", value); }
  void OpenMember(const std::string& name, const char* bracket) {
    Separate();
    Open("\"" + name + "\": " + bracket);
  }
  void Close(const char* bracket) {
    indent_.resize(indent_.size() - 2);
    sink_((is_first_ ? "" : indent_) + bracket);
    is_first_ = false;
  }

 private:
  void Open(const std::string& bracket) {
    sink_(bracket);
    indent_ += indent_.empty() ? "\n  " : "  ";
    is_first_ = true;
  }
  void Separate() {
    sink_((is_first_ ? "" : ",") + indent_);
    is_first_ = false;
  }
  void Put(const std::string& name, const Json& value) {
    Separate();
    std::string text = name;
    for (const char c : Indented(value)) c == '\n' ? text += indent_ : text += c;
    sink_(text);
  }

  const Sink& sink_;
  std::string indent_;  // of the next, with the line end before it
  bool is_first_ = true;
};

/// The same as a document.
class DocumentOut {
 public:
  void Member(const std::string& name, Json value) { Append(name, std::move(value)); }
  void Element(Json value) { open_->push_back(std::move(value)); }
  void OpenMember(const std::string& name, const char* bracket) {
    open_ = &Append(name, *bracket == '[' ? Json::array() : Json::object());
  }
  void Close(const char*) { open_ = &root_; }
  Json Take() { return std::move(root_); }

 private:
  /// Without a look at all the others for one of this name.
  Json& Append(const std::string& name, Json value) {
    Json::object_t::Container& members = open_->get_ref<Json::object_t&>();
    return members.emplace_back(name, std::move(value)).second;
  }

  Json root_ = Json::object();
  Json* open_ = &root_;
};

template <typename Out>
void Tell(const Report& report, Out* out) {
  Model& model = *report.model;
  out->Member("schema", "fdaudit-report/1");
  out->Member("tool", {{"name", "fdaudit"}, {"version", kVersion}});
  out->Member("session", SessionJson(model.session()));
  out->OpenMember("processes", "[");
  const std::map<ProcessIndex, std::vector<Untracked>> untracked = UntrackedDescriptors(model);
  for (ProcessIndex i = 0; i < model.processes().size(); ++i) {
    const auto known = untracked.find(i);
    out->Element(
        ProcessJson(model, model.processes()[i], known == untracked.end() ? std::vector<Untracked>() : known->second));
  }
  out->Close("]");
  out->OpenMember("findings", "[");
  for (const Finding& finding : report.findings) out->Element(FindingJson(model, finding));
  out->Close("]");
  out->Member("contexts", ContextsJson(report));
  out->OpenMember("stacks", "{");
  TellStacks(report, out);
  out->Close("}");
  out->Member("summary", SummaryJson(report));
  out->Member("gate", GateJson(report.gate));
}

}  // namespace

Json ReportJson(const Report& report) {
  DocumentOut out;
  Tell(report, &out);
  return out.Take();
}

std::string Dump(const Json& json) { return Indented(json) + "\n"; }

void WriteJson(const Report& report, const Sink& sink) {
  TextOut out(sink);
  Tell(report, &out);
  out.Close("}");
  sink("\n");
}

std::string RenderJson(const Report& report) {
  std::string text;
  WriteJson(report, [&text](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace fdaudit::analyzer
