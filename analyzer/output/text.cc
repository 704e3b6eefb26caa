// The report for a person at a terminal: a two-line summary, then the worst first, a screen at most for each finding.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "analyzer/detect/kinds.h"
#include "analyzer/model/python_act.h"
#include "analyzer/output/causes.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMaxLines = 24;    // a finding
constexpr size_t kFixedLines = 10;  // of it: all but the stacks and the events' own lines
constexpr size_t kMaxFrames = 4;    // a stack
constexpr size_t kMaxRanges = 12;   // of numbers
constexpr size_t kMaxTargets = 3;
constexpr size_t kMaxEvents = 8;

enum class Style { kBold, kDim, kError, kWarning, kNote };

std::string Plural(uint64_t count, const char* word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

class Writer {
 public:
  Writer(const Report& report, bool color) : report_(report), model_(*report.model), color_(color) {}

  std::string Write() {
    Summary();
    std::vector<const Finding*> others;
    std::vector<const Finding*> known;
    for (const Finding& finding : report_.findings) {
      if (finding.state != State::kNew) {
        known.push_back(&finding);
      } else if (InFull(finding)) {
        OneFinding(finding);
      } else {
        others.push_back(&finding);
      }
    }
    InBrief("not in your own code (-f json has the details):", others);
    InBrief("known or suppressed:", known);
    Contexts();
    Coverage();
    if (!report_.findings.empty())
      Line(Styled(Style::kDim, "`fdaudit explain KIND` shows what a kind means and what proves it."));
    return std::move(out_);
  }

 private:
  void Line(const std::string& text) { (out_ += text) += '\n'; }

  std::string Styled(Style style, const std::string& text) const {
    if (!color_) return text;
    constexpr const char* kCodes[] = {"1", "2", "1;31", "1;33", "1;36"};
    return fmt::format("\033[{}m{}\033[0m", kCodes[static_cast<int>(style)], text);
  }

  Style StyleOf(Severity severity) const {
    return severity == Severity::kError     ? Style::kError
           : severity == Severity::kWarning ? Style::kWarning
                                            : Style::kNote;
  }

  /// A shell's or a compiler's own double closes are no news to somebody whose program leaks. Where nothing else was
  /// found, they are what was asked for.
  bool InFull(const Finding& finding) const {
    const auto is_own = [](const Finding& other) { return other.own && other.severity != Severity::kNote; };
    return finding.own || std::none_of(report_.findings.begin(), report_.findings.end(), is_own);
  }

  void Summary();
  void InBrief(const char* heading, const std::vector<const Finding*>& findings);
  void OneFinding(const Finding& finding);
  void Numbers(const Finding& finding);
  void Targets(const Finding& finding);
  void Event(const Finding& finding, const StoryEvent& event, size_t frames);
  void Stack(PathId path, size_t limit);
  void Causes(const Finding& finding);
  void Contexts();
  void Coverage();
  std::string ProcessName(ProcessIndex process) const;

  const Report& report_;
  Model& model_;
  bool color_;
  std::string out_;
};

std::string CommandOf(const Model& model) {
  std::string command;
  for (const std::string& argument : model.session().command) command += (command.empty() ? "" : " ") + argument;
  constexpr size_t kLongest = 100;
  if (command.size() > kLongest) command = command.substr(0, kLongest) + "...";
  return command.empty() ? "an unknown program" : EscapeForTerminal(command);
}

/// Only what is out of the ordinary.
std::string HowItEnded(const Process& process) {
  if (process.end.kind == EndKind::kSignal) return fmt::format(", ended by signal {},", process.end.status);
  if (process.end.kind == EndKind::kExit && process.end.status != 0) {
    return fmt::format(", exit status {},", process.end.status);
  }
  return process.end.kind == EndKind::kKilled ? ", killed," : "";
}

void Writer::Summary() {
  std::string kinds;
  for (const Severity severity : {Severity::kError, Severity::kWarning, Severity::kNote}) {
    const uint64_t count = report_.by_severity[static_cast<size_t>(severity)];
    if (count == 0) continue;
    kinds += (kinds.empty() ? "" : ", ") + Styled(StyleOf(severity), Plural(count, Name(severity)));
  }
  const size_t count = report_.findings.size();
  Line(count == 0 ? fmt::format("fdaudit: {} in {}", Styled(Style::kBold, "nothing found"), CommandOf(model_))
                  : fmt::format("fdaudit: {} ({}) in {}", Plural(count, "finding"), kinds, CommandOf(model_)));
  const Folded& folded = model_.session().folded;
  uint64_t opened = folded.opened, closed = folded.closed, left = 0;
  for (const Process& process : model_.processes()) {
    opened += process.opened;
    closed += process.closed;
    if (process.end.kind != EndKind::kExec) left += process.open_at_end;
  }
  const size_t processes = model_.processes().size();
  const std::string who =
      processes == 1 ? "1 process" + HowItEnded(model_.processes().front()) : fmt::format("{} processes", processes);
  const std::string others =
      folded.images == 0 ? "" : fmt::format(" and {} more with nothing to report", folded.images);
  const uint64_t inherited = processes == 1 ? model_.processes().front().inherited : 0;
  Line(fmt::format("{}{} in {:.3g} s{}: {}{} opened, {} closed, {} open at the end", who, others,
                   model_.session().duration_s, model_.session().is_running ? " so far" : "",
                   inherited == 0 ? "" : fmt::format("{} inherited, ", Plural(inherited, "descriptor")),
                   inherited == 0 ? Plural(opened, "descriptor") : fmt::format("{}", opened), closed, left));
}

/// With the whole path, which terminals and editors can open.
std::string PlaceOf(const Frame& frame) {
  if (frame.file.empty()) return Describe(frame);
  const std::string line = frame.line > 0 ? fmt::format(":{}", frame.line) : "";
  return fmt::format("{}{}  {}", frame.file, line, frame.function);
}

void Writer::InBrief(const char* heading, const std::vector<const Finding*>& findings) {
  if (findings.empty()) return;
  constexpr size_t kMost = 12;
  Line("");
  Line(heading);
  for (size_t i = 0; i < std::min(findings.size(), kMost); ++i) {
    const Finding& finding = *findings[i];
    const std::string kind = fmt::format("{}: {}", Name(finding.severity), Name(finding.kind));
    Line(fmt::format("  {}  {}", Styled(StyleOf(finding.severity), kind), EscapeForTerminal(finding.message)));
  }
  if (findings.size() > kMost) Line(fmt::format("  and {} more", findings.size() - kMost));
}

void Writer::OneFinding(const Finding& finding) {
  Line("");
  std::string traits;
  if (report_.has_baseline) traits += ", new";
  if (finding.growing) traits += ", growing";
  if (finding.certainty != Certainty::kProven) traits += fmt::format(", {}", Name(finding.certainty));
  if (!finding.own && finding.severity != Severity::kNote) traits += ", not in your own code";
  Line(fmt::format("{}{}  {}",
                   Styled(StyleOf(finding.severity), fmt::format("{}: {}", Name(finding.severity), Name(finding.kind))),
                   traits, Styled(Style::kDim, finding.id)));
  Line("  " + Styled(Style::kBold, EscapeForTerminal(finding.message)));
  if (!finding.why.empty()) Line("  because  " + EscapeForTerminal(finding.why));
  Numbers(finding);
  if (finding.variants > 1)
    Line(fmt::format("  variants {} different call paths, the first is shown", finding.variants));
  Targets(finding);
  if (!finding.context.empty()) Line("  during   " + EscapeForTerminal(finding.context));
  const size_t events = std::min(finding.events.size(), kMaxEvents);
  const size_t frames =
      std::clamp<size_t>((kMaxLines - kFixedLines - events) / std::max<size_t>(events, 1), 1, kMaxFrames);
  for (size_t i = 0; i < events; ++i) {
    Event(finding, finding.events[i], frames);
    if (i == finding.deciding) Causes(finding);
  }
  if (finding.location) Line("  look at  " + Styled(Style::kBold, EscapeForTerminal(PlaceOf(*finding.location))));
  if (finding.keeper.empty()) Line(fmt::format("  fix      {}", Info(finding.kind).fix));
}

/// "5-7, 9": neighbours are joined.
void Writer::Numbers(const Finding& finding) {
  std::string text;
  size_t ranges = 0;
  for (size_t i = 0; i < finding.fds.size() && ranges < kMaxRanges; ++ranges) {
    size_t end = i + 1;
    while (end < finding.fds.size() && finding.fds[end] == finding.fds[end - 1] + 1) ++end;
    if (!text.empty()) text += ", ";
    text += fmt::format("{}", finding.fds[i]);
    if (end - i > 1) text += fmt::format("{}{}", end - i > 2 ? "-" : ", ", finding.fds[end - 1]);
    i = end;
  }
  if (ranges == kMaxRanges) text += " ...";
  std::string processes;
  if (model_.processes().size() > 1) {
    processes = finding.processes.size() == 1 ? fmt::format(" in {}", ProcessName(finding.processes.front()))
                                              : fmt::format(" in {} processes", finding.processes.size());
  }
  Line(fmt::format("  {} {}{}", finding.fds.size() == 1 ? "number " : "numbers", text, processes));
}

std::string DescribeTarget(const DescriptorNote& note) {
  std::string text = Name(note.kind);
  // "pipe:[4711]" and the like say it themselves.
  if (!note.target.empty() && (note.kind == trace::FdKind::kUnknown || note.target.rfind(text, 0) == 0)) text.clear();
  if (!note.target.empty()) text += (text.empty() ? "" : " ") + EscapeForTerminal(note.target);
  if (note.registered_in >= 0) text += fmt::format(", watched by epoll set {}", note.registered_in);
  return text;
}

void Writer::Targets(const Finding& finding) {
  std::vector<std::pair<std::string, uint64_t>> targets;
  for (const DescriptorNote& note : finding.descriptors) {
    const std::string text = DescribeTarget(note);
    if (note.target.empty() && finding.descriptors.size() > 1) continue;  // counted with the others
    const auto same = [&text](const auto& known) { return known.first == text; };
    const auto known = std::find_if(targets.begin(), targets.end(), same);
    if (known == targets.end()) {
      targets.emplace_back(text, 1);
    } else {
      ++known->second;
    }
  }
  if (targets.empty() || (targets.size() == 1 && targets[0].first == "unknown")) return;
  std::string text;
  uint64_t listed = 0;
  for (size_t i = 0; i < targets.size() && i < kMaxTargets; ++i) {
    text += (i == 0 ? "" : ", ") + targets[i].first;
    if (targets[i].second > 1) text += fmt::format(" ({} times)", targets[i].second);
    listed += targets[i].second;
  }
  if (finding.count > listed) text += fmt::format(", and {}", Plural(finding.count - listed, "other"));
  Line("  what     " + text);
}

std::string Writer::ProcessName(ProcessIndex process) const {
  if (process == kNoProcess) return "an unknown process";
  const Process& found = model_.processes()[process];
  return fmt::format("process {} ({})", found.pid, EscapeForTerminal(BaseName(found.exe)));
}

/// Names the thread where the finding has several, and the process where the trace has several.
void Writer::Event(const Finding& finding, const StoryEvent& event, size_t frames) {
  const bool one_thread = std::all_of(finding.events.begin(), finding.events.end(),
                                      [&event](const StoryEvent& other) { return other.thread == event.thread; });
  std::string text = fmt::format("  {:<18} {:>11.6f} s", Name(event.role), event.time_s);
  if (!event.call.empty()) text += "  " + EscapeForTerminal(event.call);
  if (event.fd >= 0) text += fmt::format("  descriptor {}", event.fd);
  if (event.made_from >= 0) text += fmt::format("  from {}", event.made_from);
  const PythonAct python = PythonActOf(model_.paths().Frames(event.path));
  if (!python.object.empty()) text += "  of a " + EscapeForTerminal(python.object);
  if (python.by_collector) text += "  by Python's collector";
  if (event.sender) text += "  from " + EscapeForTerminal(NameOf(model_, *event.sender));
  if (!one_thread && event.thread != 0) text += fmt::format("  thread {}", event.thread);
  if (model_.processes().size() > 1) text += "  " + ProcessName(event.process);
  Line(text);
  Stack(event.path, frames);
}

/// Frames of libc and the like are left out wherever there are others.
void Writer::Stack(PathId path, size_t limit) {
  std::vector<const Frame*> frames;
  for (const Frame& frame : model_.paths().Frames(path)) {
    if (!frame.is_runtime) frames.push_back(&frame);
  }
  if (frames.empty()) {
    for (const Frame& frame : model_.paths().Frames(path)) frames.push_back(&frame);
  }
  const size_t shown = std::min(frames.size(), limit);
  for (size_t i = 0; i < shown; ++i) {
    std::string text = EscapeForTerminal(Describe(*frames[i]));
    if (IsOwn(*frames[i], "")) text = Styled(Style::kBold, text);
    if (i + 1 == shown && frames.size() > shown) {
      text += Styled(Style::kDim, fmt::format("  (and {})", Plural(frames.size() - shown, "outer frame")));
    }
    Line("      " + text);
  }
}

/// Beside the opening that leaked.
void Writer::Causes(const Finding& finding) {
  const bool had_siblings = finding.siblings && finding.siblings->opened > 1;
  if (had_siblings) Line("  " + Styled(Style::kBold, EscapeForTerminal(DescribeSiblings(model_, *finding.siblings))));
  const std::string last_uses = DescribeLastUses(model_, finding);
  if (!last_uses.empty()) Line("  last used " + EscapeForTerminal(last_uses));
  if (finding.growth) Line("  growth   " + DescribeGrowth(*finding.growth));
}

/// Tests, mostly, and what they left open.
void Writer::Contexts() {
  if (report_.contexts.empty()) return;
  constexpr size_t kMost = 20;
  Line("");
  Line("left open when it ended, by context:");
  for (size_t i = 0; i < std::min(report_.contexts.size(), kMost); ++i) {
    const ContextLeft& left = report_.contexts[i];
    std::string text = fmt::format("  {:>4}  {}", left.count, EscapeForTerminal(left.context));
    const auto closed =
        std::find_if(left.descriptors.begin(), left.descriptors.end(), [](const auto& one) { return one.was_closed; });
    if (!left.descriptors.empty()) {
      const LeftDescriptor& first = left.descriptors.front();
      if (first.location) text += ": opened at " + EscapeForTerminal(Describe(*first.location));
    }
    if (closed != left.descriptors.end()) {
      text += closed->closed_in.empty() ? ", closed later" : ", closed in " + EscapeForTerminal(closed->closed_in);
    }
    Line(text);
  }
  if (report_.contexts.size() > kMost) Line(fmt::format("        and {} more", report_.contexts.size() - kMost));
}

void Writer::Coverage() {
  std::vector<std::string> lines = CoverageLines(model_);
  if (!report_.ignore_before.empty()) lines.push_back(DescribeLeftOut(report_));
  if (!lines.empty() || !report_.findings.empty()) Line("");
  for (const std::string& line : lines) Line(Styled(Style::kDim, "note: ") + EscapeForTerminal(line));
}

}  // namespace

std::string RenderText(const Report& report, bool color) { return Writer(report, color).Write(); }

}  // namespace fdaudit::analyzer
