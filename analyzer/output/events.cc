#include "analyzer/output/events.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "analyzer/model/event_stream.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/open_at_end.h"
#include "analyzer/trace/family.h"

namespace fdaudit::analyzer {
namespace {

using trace::EventKind;

constexpr const char* kEventNames[] = {"none",
                                       "opened",
                                       "duplicated",
                                       "closed",
                                       "close-failed",
                                       "range-closed",
                                       "range-close-on-exec",
                                       "overwritten",
                                       "adopted",
                                       "flag-changed",
                                       "open-failed",
                                       "forked",
                                       "image-started",
                                       "exec",
                                       "exec-failed",
                                       "exited",
                                       "unseen-open",
                                       "unseen-close",
                                       "stale-close",
                                       "received",
                                       "module-unloaded",
                                       "registered",
                                       "unregistered",
                                       "spawned",
                                       "unshared",
                                       "session-begun",
                                       "addressed"};

/// Lines' parts that are made once are kept for so many call paths and processes.
constexpr size_t kMostKept = 4096;

/// From the ledger: exact also where the journal has lost the opening.
struct LeftOpen {
  double time_s;
  ProcessIndex process;
  int fd;
};

class EventWriter {
 public:
  EventWriter(const Report& report, const DumpOptions& options)
      : model_(*report.model), leaked_(report), options_(options) {}

  bool Write(std::FILE* out);

 private:
  std::vector<LeftOpen> SortedLeftOpen() const;
  double EndOf(ProcessIndex process) const;
  const std::string& Line(const EventStream::Item& item);
  const std::string& Line(const LeftOpen& left, const trace::Slot& slot);
  const std::string& StackText(uint32_t file, uint32_t stack, ProcessIndex process);
  void AppendFrame(const Frame& frame, std::string* text) const;
  void Begin(double time_s, uint32_t file, ProcessIndex process, uint32_t thread, const char* event,
             const std::string& call);
  void AppendNumber(const char* name, bool present, int64_t number);
  void AppendText(const char* name, const std::string& text);

  Model& model_;
  Leaked leaked_;
  DumpOptions options_;
  std::string line_;
  std::unordered_map<PathId, std::string> stacks_;           // as they stand in the lines
  std::unordered_map<ProcessIndex, std::string> processes_;  // the same
};

/// The process's end; of one that goes on, the session's so far.
double EventWriter::EndOf(ProcessIndex process) const {
  const Process& ended = model_.processes()[process];
  return ended.ended_by == trace::EndedBy::kNone ? model_.session().duration_s : ended.ended_s;
}

std::vector<LeftOpen> EventWriter::SortedLeftOpen() const {
  std::vector<LeftOpen> left_open;
  model_.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
    if (IsOpenAtEnd(model_.processes()[process], slot)) left_open.push_back({EndOf(process), process, fd});
  });
  std::stable_sort(left_open.begin(), left_open.end(),
                   [](const LeftOpen& a, const LeftOpen& b) { return a.time_s < b.time_s; });
  return left_open;
}

void EventWriter::AppendNumber(const char* name, bool present, int64_t number) {
  if (present) {
    fmt::format_to(std::back_inserter(line_), ",\"{}\":{}", name, number);
  } else {
    fmt::format_to(std::back_inserter(line_), ",\"{}\":null", name);
  }
}

/// Empty text is null.
void AppendTextOrNull(const std::string& text, std::string* out) {
  if (text.empty()) {
    *out += "null";
  } else {
    AppendJsonString(text, out);
  }
}

void EventWriter::AppendText(const char* name, const std::string& text) {
  fmt::format_to(std::back_inserter(line_), ",\"{}\":", name);
  AppendTextOrNull(text, &line_);
}

void EventWriter::AppendFrame(const Frame& frame, std::string* text) const {
  *text += "{\"function\":";
  AppendTextOrNull(frame.function, text);
  *text += ",\"file\":";
  AppendTextOrNull(frame.file, text);
  *text += frame.line > 0 ? fmt::format(",\"line\":{}", frame.line) : ",\"line\":null";
  *text += ",\"module\":";
  AppendTextOrNull(std::string(BaseName(frame.module)), text);
  *text += frame.is_python ? ",\"offset\":null,\"language\":\"python\"}"
                           : fmt::format(",\"offset\":\"{:#x}\",\"language\":\"native\"}}", frame.offset);
}

const std::string& EventWriter::StackText(uint32_t file, uint32_t stack, ProcessIndex process) {
  const PathId path = model_.paths().Intern(file, stack, process);
  if (stacks_.size() >= kMostKept) stacks_.clear();
  const auto [known, is_new] = stacks_.try_emplace(path);
  if (!is_new) return known->second;
  std::string& text = known->second;
  if (path == kNoPath) return text = ",\"stack\":null,\"frames\":[]}\n";
  text = fmt::format(",\"stack\":\"s:{:016x}\",\"frames\":[", model_.paths().Hash(path));
  const std::vector<Frame> raw = options_.raw ? model_.paths().RawFrames(path) : std::vector<Frame>();
  const FrameList frames = options_.raw ? FrameList(raw) : model_.paths().Frames(path);
  for (const Frame& frame : frames) {
    if (&frame != &frames.front()) text += ",";
    AppendFrame(frame, &text);
  }
  return text += "]}\n";
}

/// What `other` means depends on the event; where it means nothing it is null.
bool HasOther(EventKind kind) {
  switch (kind) {
    case EventKind::kDuplicated:
    case EventKind::kCloseFailed:
    case EventKind::kRangeClosed:
    case EventKind::kRangeCloseOnExec:
    case EventKind::kOverwritten:
    case EventKind::kFlagChanged:
    case EventKind::kForked:
    case EventKind::kSpawned:
    case EventKind::kExited:
    case EventKind::kReceived:
    case EventKind::kRegistered:
    case EventKind::kUnregistered:
      return true;
    default:
      return false;
  }
}

/// What all lines begin with.
void EventWriter::Begin(double time_s, uint32_t index, ProcessIndex process, uint32_t thread, const char* event,
                        const std::string& call) {
  if (processes_.size() >= kMostKept) processes_.clear();
  const auto [who, is_new] = processes_.try_emplace(process);
  if (is_new) {
    const TraceFile& file = model_.files()[index];
    const bool is_known = process != kNoProcess;
    std::string& text = who->second;
    text = ",\"host\":";
    AppendJsonString(model_.Shown(FieldText(file.header().host)), &text);
    text += ",\"session\":";
    AppendJsonString(model_.Shown(FamilyName(file)), &text);
    text += is_known ? fmt::format(",\"process\":\"{}\",\"pid\":{},\"exe\":", model_.processes()[process].id,
                                   model_.processes()[process].pid)
                     : ",\"process\":null,\"pid\":null,\"exe\":";
    AppendTextOrNull(is_known ? model_.processes()[process].exe : "", &text);
  }
  line_ = fmt::format("{{\"time_s\":{:.9f}{}", time_s, who->second);
  AppendNumber("thread", thread != 0, thread);
  AppendText("event", event);
  AppendText("call", call);
}

const std::string& EventWriter::Line(const EventStream::Item& item) {
  const trace::Event& event = item.entry.event;
  const ProcessIndex process = model_.FindAt(item.file, item.entry.image, event.stamp);
  const auto kind = static_cast<size_t>(event.kind);
  Begin(item.time_s, item.file, process, item.entry.thread,
        kind < std::size(kEventNames) ? kEventNames[kind] : "unknown", model_.files()[item.file].CallName(event.call));
  AppendNumber("fd", event.fd != -1 || event.kind == EventKind::kCloseFailed, event.fd);
  AppendNumber("other", HasOther(event.kind), event.other);
  AppendNumber("incarnation", event.incarnation != 0, event.incarnation);
  AppendText("error", event.error <= 0 ? "" : ErrorName(event.error));
  line_ += ",\"opened_s\":null,\"type\":null,\"target\":null,\"origin\":null,\"leaked\":null";
  line_ += StackText(item.file, event.stack, process);
  return line_;
}

const std::string& EventWriter::Line(const LeftOpen& left, const trace::Slot& slot) {
  const uint32_t file = model_.processes()[left.process].file;
  const trace::Incarnation& life = CurrentLife(slot);
  const Origin origin = OriginOf(slot);
  const bool is_known = life.opened.stamp != 0 && origin != Origin::kUnrecorded;
  Begin(left.time_s, file, left.process, is_known ? life.opened.thread : 0, "open-at-end",
        is_known ? model_.CallOf(file, life.opened) : "");
  AppendNumber("fd", true, left.fd);
  line_ += ",\"other\":null";
  AppendNumber("incarnation", true, slot.head.count);
  line_ += is_known ? fmt::format(",\"error\":null,\"opened_s\":{:.9f}", model_.Seconds(file, life.opened.stamp))
                    : ",\"error\":null,\"opened_s\":null";
  AppendText("type", Name(life.kind));
  AppendText("target", model_.Shown(FieldText(slot.target)));
  AppendText("origin", Name(origin));
  line_ += leaked_.Contains(left.process, left.fd, slot) ? ",\"leaked\":true" : ",\"leaked\":false";
  line_ += StackText(file, is_known ? life.opened.stack : trace::kNoIndex, left.process);
  return line_;
}

/// At one moment the journal comes first.
bool EventWriter::Write(std::FILE* out) {
  const auto put = [out](const std::string& line) {
    return std::fwrite(line.data(), 1, line.size(), out) == line.size();
  };
  const std::vector<LeftOpen> left_open = SortedLeftOpen();
  EventStream events(model_);
  EventStream::Item item;
  bool has_event = events.Next(&item);
  auto left = left_open.begin();
  while (has_event || left != left_open.end()) {
    if (has_event && (left == left_open.end() || item.time_s <= left->time_s)) {
      if (!put(Line(item))) return false;
      has_event = events.Next(&item);
      continue;
    }
    trace::Slot slot;
    if (model_.FindSlot(left->process, left->fd, &slot) && !put(Line(*left, slot))) return false;
    ++left;
  }
  return std::fflush(out) == 0;
}

}  // namespace

bool WriteEvents(const Report& report, const DumpOptions& options, std::FILE* out) {
  return EventWriter(report, options).Write(out);
}

}  // namespace fdaudit::analyzer
