#include "analyzer/output/events.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "analyzer/output/escape.h"
#include "analyzer/output/open_at_end.h"
#include "analyzer/trace/family.h"
#include "analyzer/trace/journal.h"

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

struct Moment {
  double time_s;
  uint32_t file;
  uint64_t place;  // of an event in the journal; behind kLeftOpen, the index of what was left open
};
constexpr uint64_t kLeftOpen = uint64_t{1} << 63;

/// From the ledger: exact also where the journal has lost the opening.
struct LeftOpen {
  ProcessIndex process;
  int fd;
  trace::Slot slot;
};

class EventWriter {
 public:
  EventWriter(const Report& report, const DumpOptions& options)
      : model_(*report.model), leaked_(report), options_(options) {}

  bool Write(std::FILE* out);

 private:
  std::vector<Moment> SortedMoments();
  double EndOf(ProcessIndex process) const;
  const std::string& Line(const Moment& moment, const JournalEvent& event);
  const std::string& Line(const Moment& moment, const LeftOpen& left);
  const std::string& StackText(uint32_t file, uint32_t stack, int pid);
  void AppendFrame(const Frame& frame, std::string* text) const;
  void Begin(const Moment& moment, ProcessIndex process, uint32_t thread, const char* event, const std::string& call);
  void AppendNumber(const char* name, bool present, int64_t number);
  void AppendText(const char* name, const std::string& text);

  Model& model_;
  Leaked leaked_;
  DumpOptions options_;
  std::vector<LeftOpen> left_open_;
  std::string line_;
  std::unordered_map<PathId, std::string> stacks_;           // as they stand in the lines
  std::unordered_map<ProcessIndex, std::string> processes_;  // the same
};

/// The process's end; of one that goes on, the session's so far.
double EventWriter::EndOf(ProcessIndex process) const {
  const Process& ended = model_.processes()[process];
  return ended.ended_by == trace::EndedBy::kNone ? model_.session().duration_s : ended.ended_s;
}

std::vector<Moment> EventWriter::SortedMoments() {
  std::vector<Moment> moments;
  for (uint32_t file = 0; file < model_.files().size(); ++file) {
    const std::vector<EventKey> keys = ListEvents(model_.files()[file]);
    moments.reserve(moments.size() + keys.size());
    for (const EventKey& key : keys) moments.push_back({model_.Seconds(file, key.stamp), file, key.place});
  }
  model_.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
    if (!IsOpenAtEnd(model_.processes()[process], slot)) return;
    moments.push_back({EndOf(process), model_.processes()[process].file, kLeftOpen | left_open_.size()});
    left_open_.push_back({process, fd, slot});
  });
  std::stable_sort(moments.begin(), moments.end(),
                   [](const Moment& a, const Moment& b) { return a.time_s < b.time_s; });
  return moments;
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

const std::string& EventWriter::StackText(uint32_t file, uint32_t stack, int pid) {
  const PathId path = model_.paths().Intern(file, stack, pid);
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
void EventWriter::Begin(const Moment& moment, ProcessIndex process, uint32_t thread, const char* event,
                        const std::string& call) {
  const auto [who, is_new] = processes_.try_emplace(process);
  if (is_new) {
    const TraceFile& file = model_.files()[moment.file];
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
  line_ = fmt::format("{{\"time_s\":{:.9f}{}", moment.time_s, who->second);
  AppendNumber("thread", thread != 0, thread);
  AppendText("event", event);
  AppendText("call", call);
}

const std::string& EventWriter::Line(const Moment& moment, const JournalEvent& entry) {
  const trace::Event& event = entry.event;
  const ProcessIndex process = model_.FindAt(moment.file, entry.image, event.stamp);
  const auto kind = static_cast<size_t>(event.kind);
  Begin(moment, process, entry.thread, kind < std::size(kEventNames) ? kEventNames[kind] : "unknown",
        model_.files()[moment.file].CallName(event.call));
  AppendNumber("fd", event.fd != -1 || event.kind == EventKind::kCloseFailed, event.fd);
  AppendNumber("other", HasOther(event.kind), event.other);
  AppendNumber("incarnation", event.incarnation != 0, event.incarnation);
  AppendText("error", event.error <= 0 ? "" : ErrorName(event.error));
  line_ += ",\"opened_s\":null,\"type\":null,\"target\":null,\"origin\":null,\"leaked\":null";
  line_ += StackText(moment.file, event.stack, process == kNoProcess ? 0 : model_.processes()[process].pid);
  return line_;
}

const std::string& EventWriter::Line(const Moment& moment, const LeftOpen& left) {
  const trace::Incarnation& life = CurrentLife(left.slot);
  const Origin origin = OriginOf(left.slot);
  const bool is_known = life.opened.stamp != 0 && origin != Origin::kUnrecorded;
  Begin(moment, left.process, is_known ? life.opened.thread : 0, "open-at-end",
        is_known ? model_.CallOf(moment.file, life.opened) : "");
  AppendNumber("fd", true, left.fd);
  line_ += ",\"other\":null";
  AppendNumber("incarnation", true, left.slot.head.count);
  line_ += is_known ? fmt::format(",\"error\":null,\"opened_s\":{:.9f}", model_.Seconds(moment.file, life.opened.stamp))
                    : ",\"error\":null,\"opened_s\":null";
  AppendText("type", Name(life.kind));
  AppendText("target", model_.Shown(FieldText(left.slot.target)));
  AppendText("origin", Name(origin));
  line_ += leaked_.Contains(left.process, left.fd, left.slot) ? ",\"leaked\":true" : ",\"leaked\":false";
  line_ += StackText(moment.file, is_known ? life.opened.stack : trace::kNoIndex, model_.processes()[left.process].pid);
  return line_;
}

bool EventWriter::Write(std::FILE* out) {
  for (const Moment& moment : SortedMoments()) {
    JournalEvent event;
    const std::string* line = nullptr;
    if ((moment.place & kLeftOpen) != 0) {
      line = &Line(moment, left_open_[moment.place & ~kLeftOpen]);
    } else if (GetEvent(model_.files()[moment.file], moment.place, &event)) {
      line = &Line(moment, event);
    } else {
      continue;  // overwritten since
    }
    if (std::fwrite(line->data(), 1, line->size(), out) != line->size()) return false;
  }
  return std::fflush(out) == 0;
}

}  // namespace

bool WriteEvents(const Report& report, const DumpOptions& options, std::FILE* out) {
  return EventWriter(report, options).Write(out);
}

}  // namespace fdaudit::analyzer
