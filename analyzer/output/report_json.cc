#include "analyzer/output/report_json.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_set>

#include "analyzer/detect/kinds.h"
#include "analyzer/model/python_act.h"
#include "analyzer/model/reasons.h"
#include "analyzer/output/causes.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/json/text.h"
#include "analyzer/version.h"

namespace fdaudit::analyzer {

std::optional<std::string> TextOrNull(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(RepairUtf8(text));
}

std::optional<std::string> IdOrNull(const Model& model, ProcessIndex process) {
  return process == kNoProcess ? std::nullopt : std::optional(model.processes()[process].id);
}

namespace {

std::string Text(const std::string& text) { return RepairUtf8(text); }

/// Null for the value that says that there is none.
template <typename T>
std::optional<T> Unless(T value, T none) {
  return value == none ? std::nullopt : std::optional(value);
}

template <typename T>
std::optional<T> NotNegative(T value) {
  return value < 0 ? std::nullopt : std::optional(value);
}

std::optional<int> LineOrNull(int line) { return line > 0 ? std::optional(line) : std::nullopt; }

/// Microseconds are what the clocks are good for; more digits would only be noise.
double Seconds(double seconds) { return std::round(seconds * 1e6) / 1e6; }

void WriteTexts(const char* name, const std::vector<std::string>& texts, JsonWriter& out) {
  out.List(name, [&] {
    for (const std::string& text : texts) out.Value(Text(text));
  });
}

std::string StackKey(const CallPaths& paths, PathId path) { return fmt::format("s:{:016x}", paths.Hash(path)); }

void WriteSession(const Session& session, JsonWriter& out) {
  out.Object("session", [&] {
    WriteTexts("command", session.command, out);
    out.Field("host", Text(session.host));
    out.Field("started", FormatTime(session.started_realtime_ns));
    out.Field("duration_s", Seconds(session.duration_s));
    out.Object("folded", [&] {
      out.Field("processes", session.folded.images);
      out.Field("opened", session.folded.opened);
      out.Field("closed", session.folded.closed);
    });
  });
}

void WriteUntracked(const std::vector<Untracked>& descriptors, JsonWriter& out) {
  out.List("untracked", [&] {
    for (const Untracked& one : descriptors) {
      out.Object([&] {
        out.Field("what", one.is_open ? "open" : "close");
        out.Field("fd", one.fd);
        out.Field("type", Name(one.kind));
        out.Field("target", TextOrNull(one.target));
        out.Field("not_before_s", Seconds(one.not_before_s));
        out.Field("not_after_s", Seconds(one.not_after_s));
        out.Field("why", one.why);
      });
    }
  });
}

void WriteCoverage(const Process& process, const std::vector<Untracked>& untracked, JsonWriter& out) {
  const uint64_t differences = process.untracked_opens + process.untracked_closes;
  out.Object("coverage", [&] {
    out.Field("untracked_opens", process.untracked_opens);
    out.Field("untracked_closes", process.untracked_closes);
    WriteUntracked(untracked, out);
    out.Field("untracked_omitted", differences - std::min<uint64_t>(differences, untracked.size()));
    out.Field("events_dropped", process.events_dropped);
    out.Field("reasons", ReasonNames(process));
  });
}

void WriteProcess(const Model& model, const Process& process, const std::vector<Untracked>& untracked,
                  JsonWriter& out) {
  out.Object([&] {
    out.Field("id", process.id);
    out.Field("pid", process.pid);
    out.Field("parent", IdOrNull(model, process.parent));
    out.Field("started_by", Name(process.started_by, process.parent != kNoProcess));
    out.Field("exe", Text(process.exe));
    WriteTexts("argv", process.argv, out);
    out.Object("end", [&] {
      out.Field("how", Name(process.end.kind));
      out.Field("status", process.end.status);
    });
    out.Object("descriptors", [&] {
      out.Field("opened", process.opened);
      out.Field("closed", process.closed);
      out.Field("inherited", process.inherited);
      out.Field("peak", process.peak);
      out.Field("open_at_end", process.open_at_end);
    });
    WriteCoverage(process, untracked, out);
  });
}

void WriteSender(const Model& model, const std::optional<Sender>& sender, JsonWriter& out) {
  if (!sender) return out.Field("received_from", nullptr);
  out.Object("received_from", [&] {
    out.Field("pid", Unless(sender->pid, decltype(sender->pid){0}));
    out.Field("process", IdOrNull(model, sender->process));
  });
}

void WriteDescriptors(const Model& model, const Finding& finding, JsonWriter& out) {
  out.List("descriptors", [&] {
    for (const DescriptorNote& note : finding.descriptors) {
      out.Object([&] {
        out.Field("fd", note.fd);
        out.Field("type", Name(note.kind));
        out.Field("target", TextOrNull(note.target));
        out.Field("close_on_exec", note.close_on_exec);
        WriteSender(model, note.received_from, out);
        out.Field("registered_in", NotNegative(note.registered_in));
        out.Field("duplicated_from", NotNegative(note.duplicated_from));
      });
    }
  });
}

void WriteEvents(Model& model, const Finding& finding, JsonWriter& out) {
  out.List("events", [&] {
    for (const StoryEvent& event : finding.events) {
      const PythonAct python = PythonActOf(model.paths().Frames(event.path));
      out.Object([&] {
        out.Field("role", Name(event.role));
        out.Field("call", TextOrNull(event.call));
        out.Field("process", IdOrNull(model, event.process));
        out.Field("thread", Unless(event.thread, decltype(event.thread){0}));
        out.Field("time_s", Seconds(event.time_s));
        out.Field("fd", event.fd);
        out.Field("by_collector", python.by_collector);
        out.Field("object", TextOrNull(python.object));
        out.Field("stack", event.path == kNoPath ? std::nullopt : std::optional(StackKey(model.paths(), event.path)));
      });
    }
  });
}

void WriteLocation(const char* name, const Frame* frame, JsonWriter& out) {
  if (frame == nullptr) return out.Field(name, nullptr);
  out.Object(name, [&] {
    out.Field("function", TextOrNull(frame->function));
    out.Field("file", TextOrNull(frame->file));
    out.Field("line", LineOrNull(frame->line));
  });
}

void WriteLastUses(Model& model, const Finding& finding, JsonWriter& out) {
  out.List("last_use", [&] {
    for (size_t i = 0; i < std::min(finding.last_uses.size(), kMaxLastUses); ++i) {
      const LastUse& use = finding.last_uses[i];
      out.Object([&] {
        out.Field("call", TextOrNull(use.call));
        WriteLocation("location", PlaceOf(model, use), out);
        out.Field("count", use.count);
      });
    }
  });
}

void WriteGrowth(const std::optional<Growth>& growth, JsonWriter& out) {
  if (!growth) return out.Field("growth", nullptr);
  const std::optional<double> full_in = FullInSeconds(*growth);
  out.Object("growth", [&] {
    out.Field("calls", growth->calls);
    out.Field("first_s", Seconds(growth->first_s));
    out.Field("last_s", Seconds(growth->last_s));
    out.Field("calls_here", growth->calls_here);
    out.Field("paths_here", growth->paths_here);
    out.Field("per_second", growth->per_second > 0 ? std::optional(growth->per_second) : std::nullopt);
    out.Field("open", growth->open);
    out.Field("limit", Unless(growth->limit, decltype(growth->limit){0}));
    out.Field("full_in_s", full_in ? std::optional(Seconds(*full_in)) : std::nullopt);
  });
}

void WriteSiblings(Model& model, const std::optional<Siblings>& siblings, JsonWriter& out) {
  if (!siblings) return out.Field("siblings", nullptr);
  const size_t shown = std::min(siblings->closers.size(), kMaxClosers);
  out.Object("siblings", [&] {
    out.Field("of", siblings->of == Siblings::Of::kPath ? "path" : "line");
    out.Field("opened", siblings->opened);
    out.Field("closed", siblings->closed);
    out.Field("complete", siblings->is_complete);
    out.List("closers", [&] {
      for (size_t i = 0; i < shown; ++i) {
        const Siblings::Closer& closer = siblings->closers[i];
        out.Object([&] {
          out.Field("count", closer.count);
          out.Field("stack", StackKey(model.paths(), closer.path));
          WriteLocation("location", model.paths().Location(closer.path), out);
        });
      }
    });
    out.Field("omitted", siblings->closers.size() - shown);
  });
}

void WriteFinding(Model& model, const Finding& finding, JsonWriter& out) {
  const uint64_t shown = finding.descriptors.size();
  out.Object([&] {
    out.Field("id", finding.id);
    out.Field("kind", Name(finding.kind));
    out.Field("severity", Name(finding.severity));
    out.Field("certainty", Name(finding.certainty));
    out.Field("growing", finding.growing);
    out.Field("one_time", finding.one_time);
    out.Field("own", finding.own);
    out.Field("gates", finding.gates);
    out.Field("state", Name(finding.state));
    out.List("processes", [&] {
      for (const ProcessIndex process : finding.processes) out.Value(model.processes()[process].id);
    });
    out.Field("message", Text(finding.message));
    out.Field("why", TextOrNull(finding.why));
    out.List("includes", [&] {
      for (const KindInfo& info : AllKinds()) {
        if (finding.includes[static_cast<size_t>(info.kind)]) out.Value(info.name);
      }
    });
    out.Field("variants", finding.variants);
    out.Field("count", finding.count);
    out.Field("fds", finding.fds);
    WriteDescriptors(model, finding, out);
    out.Field("omitted", shown == 0 || shown > finding.count ? 0 : finding.count - shown);
    WriteEvents(model, finding, out);
    out.Field("deciding", finding.deciding);
    WriteLocation("location", finding.location ? &*finding.location : nullptr, out);
    WriteGrowth(finding.growth, out);
    WriteSiblings(model, finding.siblings, out);
    WriteLastUses(model, finding, out);
    out.Field("context", TextOrNull(finding.context));
    out.Field("held", TextOrNull(finding.held_until_exit ? "until-exit" : ""));
  });
}

void WriteFrame(const Frame& frame, JsonWriter& out) {
  out.Object([&] {
    out.Field("function", TextOrNull(frame.function));
    out.Field("file", TextOrNull(frame.file));
    out.Field("line", LineOrNull(frame.line));
    out.Field("module", TextOrNull(BaseName(frame.module)));
    out.Field("path", TextOrNull(frame.module));
    out.Field("offset", frame.is_python ? std::nullopt : std::optional(fmt::format("{:#x}", frame.offset)));
    out.Field("language", frame.is_python ? "python" : "native");
    out.Field("own", !frame.is_runtime && IsOwn(frame, ""));
  });
}

/// Each stack once, whatever names it.
class StackWriter {
 public:
  StackWriter(const Report& report, JsonWriter& out) : paths_(report.model->paths()), out_(out) {}

  void Add(const Finding& finding) {
    for (const StoryEvent& event : finding.events) Add(event.path);
    if (!finding.siblings) return;
    const std::vector<Siblings::Closer>& closers = finding.siblings->closers;
    for (size_t i = 0; i < std::min(closers.size(), kMaxClosers); ++i) Add(closers[i].path);
  }

 private:
  void Add(PathId path) {
    if (!done_.insert(path).second || !written_.insert(paths_.Hash(path)).second) return;
    out_.List(StackKey(paths_, path), [&] {
      for (const Frame& frame : paths_.Frames(path)) WriteFrame(frame, out_);
    });
  }

  CallPaths& paths_;
  JsonWriter& out_;
  std::unordered_set<PathId> done_ = {kNoPath};
  std::unordered_set<uint64_t> written_;  // code made at run time may lie at one address in two processes
};

/// A test or other context that left descriptors open.
void WriteContext(const Report& report, const ContextLeft& left, JsonWriter& out) {
  out.Object([&] {
    out.Field("context", Text(left.context));
    out.Field("process", report.model->processes()[left.process].id);
    out.Field("began_s", Seconds(left.began_s));
    out.Field("ended_s", left.ended_s ? std::optional(Seconds(*left.ended_s)) : std::nullopt);
    out.Field("left_open", left.count);
    out.List("descriptors", [&] {
      for (const LeftDescriptor& one : left.descriptors) {
        out.Object([&] {
          out.Field("fd", one.note.fd);
          out.Field("type", Name(one.note.kind));
          out.Field("target", TextOrNull(one.note.target));
          WriteLocation("opened_at", one.location ? &*one.location : nullptr, out);
          out.Field("closed", one.was_closed);
          out.Field("closed_in", TextOrNull(one.closed_in));
        });
      }
    });
    out.Field("omitted", left.count - left.descriptors.size());
  });
}

void WriteSummary(const Report& report, JsonWriter& out) {
  out.Object("summary", [&] {
    out.Field("findings", report.findings.size());
    out.Object("by_kind", [&] {
      for (const KindInfo& info : AllKinds()) out.Field(info.name, report.by_kind[static_cast<size_t>(info.kind)]);
    });
    out.Object("by_severity", [&] {
      for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
        out.Field(Name(severity), report.by_severity[static_cast<size_t>(severity)]);
      }
    });
    out.Field("ignore_before", TextOrNull(report.ignore_before));
    out.Field("left_out", report.left_out);
  });
}

void WriteProcesses(const Model& model, JsonWriter& out) {
  const std::map<ProcessIndex, std::vector<Untracked>> untracked = UntrackedDescriptors(model);
  out.List("processes", [&] {
    for (ProcessIndex i = 0; i < model.processes().size(); ++i) {
      const auto known = untracked.find(i);
      const std::vector<Untracked> none;
      WriteProcess(model, model.processes()[i], known == untracked.end() ? none : known->second, out);
    }
  });
}

}  // namespace

void WriteLosses(const Losses& lost, JsonWriter& out) {
  out.Object([&] {
    out.Field("findings", lost.findings);
    out.Field("stacks", lost.stacks);
    out.Field("images", lost.images);
    out.Field("events", lost.events);
    out.Field("since_s", lost.since_s ? std::optional(Seconds(*lost.since_s)) : std::nullopt);
  });
}

void WriteGate(const Verdict& gate, JsonWriter& out) {
  out.Object([&] {
    out.Field("failed", gate.failed);
    out.Field("failed_for_loss", gate.failed_for_loss);
    out.Field("fail_on", gate.fail_on);
    out.Field("scope", Name(gate.scope));
    out.Field("new", gate.new_findings);
    out.Field("known", gate.known);
    out.Field("suppressed", gate.suppressed);
    out.List("gone", [&] {
      for (const auto& [id, known] : gate.gone) {
        out.Object([&id = id, &known = known, &out] {
          out.Field("id", id);
          out.Field("kind", known.kind);
          out.Field("message", known.message);
        });
      }
    });
    WriteTexts("unused_suppressions", gate.unused_suppressions, out);
  });
}

void SendReport(const Report& report, JsonEvents* to, size_t most_findings) {
  JsonWriter out(to);
  Model& model = *report.model;
  const size_t shown = std::min(report.findings.size(), most_findings);
  out.Object([&] {
    out.Field("schema", "fdaudit-report/1");
    out.Object("tool", [&] {
      out.Field("name", "fdaudit");
      out.Field("version", kVersion);
    });
    WriteSession(model.session(), out);
    WriteProcesses(model, out);
    out.List("findings", [&] {
      for (size_t i = 0; i < shown; ++i) WriteFinding(model, report.findings[i], out);
    });
    out.List("contexts", [&] {
      for (const ContextLeft& left : report.contexts) WriteContext(report, left, out);
    });
    out.Object("stacks", [&] {
      StackWriter stacks(report, out);
      for (size_t i = 0; i < shown; ++i) stacks.Add(report.findings[i]);
    });
    out.Object("coverage", [&] {
      out.Name("lost");
      WriteLosses(model.session().lost, out);
    });
    WriteSummary(report, out);
    out.Name("gate");
    WriteGate(report.gate, out);
  });
}

void SendFinding(const Report& report, const Finding& finding, JsonEvents* to) {
  JsonWriter out(to);
  WriteFinding(*report.model, finding, out);
}

void SendStacks(const Report& report, const Finding& finding, JsonEvents* to) {
  JsonWriter out(to);
  out.Object([&] { StackWriter(report, out).Add(finding); });
}

void WriteJson(const Report& report, const Sink& sink) {
  JsonText text(sink);
  SendReport(report, &text);
  sink("\n");
}

std::string RenderJson(const Report& report) {
  std::string text;
  WriteJson(report, [&text](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace fdaudit::analyzer
