#include "analyzer/output/json.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

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

Json StackJson(const std::vector<Frame>& frames) {
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

Json StacksJson(const Report& report) {
  CallPaths& paths = report.model->paths();
  Json stacks = Json::object();
  std::set<PathId> done = {kNoPath};
  const auto add = [&](PathId path) {
    if (done.insert(path).second) stacks[StackKey(paths, path)] = StackJson(paths.Frames(path));
  };
  for (const Finding& finding : report.findings) {
    for (const StoryEvent& event : finding.events) add(event.path);
    if (!finding.siblings) continue;
    const std::vector<Siblings::Closer>& closers = finding.siblings->closers;
    for (size_t i = 0; i < std::min(closers.size(), kMaxClosers); ++i) add(closers[i].path);
  }
  return stacks;
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

Json ReportJson(const Report& report) {
  Model& model = *report.model;
  Json root = {{"schema", "fdaudit-report/1"},
               {"tool", {{"name", "fdaudit"}, {"version", kVersion}}},
               {"session", SessionJson(model.session())}};
  Json& processes = root["processes"] = Json::array();
  const std::map<ProcessIndex, std::vector<Untracked>> untracked = UntrackedDescriptors(model);
  for (ProcessIndex i = 0; i < model.processes().size(); ++i) {
    const auto known = untracked.find(i);
    processes.push_back(
        ProcessJson(model, model.processes()[i], known == untracked.end() ? std::vector<Untracked>() : known->second));
  }
  Json& findings = root["findings"] = Json::array();
  for (const Finding& finding : report.findings) findings.push_back(FindingJson(model, finding));
  root["contexts"] = ContextsJson(report);
  root["stacks"] = StacksJson(report);
  root["summary"] = SummaryJson(report);
  root["gate"] = GateJson(report.gate);
  return root;
}

std::string Dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

std::string RenderJson(const Report& report) { return Dump(ReportJson(report)); }

}  // namespace fdaudit::analyzer
