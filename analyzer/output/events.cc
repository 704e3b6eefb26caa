#include "analyzer/output/events.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include "analyzer/output/escape.h"
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
  uint64_t place;
};

std::vector<Moment> SortedMoments(const Model& model) {
  std::vector<Moment> moments;
  for (uint32_t file = 0; file < model.files().size(); ++file) {
    const std::vector<EventKey> keys = ListEvents(model.files()[file]);
    moments.reserve(moments.size() + keys.size());
    for (const EventKey& key : keys) moments.push_back({model.Seconds(file, key.stamp), file, key.place});
  }
  std::stable_sort(moments.begin(), moments.end(),
                   [](const Moment& a, const Moment& b) { return a.time_s < b.time_s; });
  return moments;
}

class EventWriter {
 public:
  explicit EventWriter(Model& model) : model_(model) {}

  /// One line, with its newline.
  const std::string& Line(const Moment& moment, const JournalEvent& event);

 private:
  const std::string& StackText(uint32_t file, uint32_t stack);
  void AppendNumber(const char* name, bool present, int64_t number);

  Model& model_;
  std::string line_;
  std::unordered_map<PathId, std::string> stacks_;  // as they stand in the lines
};

void EventWriter::AppendNumber(const char* name, bool present, int64_t number) {
  if (present) {
    fmt::format_to(std::back_inserter(line_), ",\"{}\":{}", name, number);
  } else {
    fmt::format_to(std::back_inserter(line_), ",\"{}\":null", name);
  }
}

const std::string& EventWriter::StackText(uint32_t file, uint32_t stack) {
  const PathId path = model_.paths().Intern(file, stack);
  const auto [known, is_new] = stacks_.try_emplace(path);
  if (!is_new) return known->second;
  std::string& text = known->second;
  if (path == kNoPath) return text = "\"stack\":null,\"frames\":[]";
  text = fmt::format("\"stack\":\"s:{:016x}\",\"frames\":[", model_.paths().Hash(path));
  bool first = true;
  for (const Frame& frame : model_.paths().RawFrames(path)) {
    if (!first) text += ",";
    first = false;
    if (frame.is_python) {
      text += "{\"function\":";
      AppendJsonString(frame.function, &text);
      text += ",\"file\":";
      AppendJsonString(frame.file, &text);
      fmt::format_to(std::back_inserter(text), ",\"line\":{}}}", frame.line);
      continue;
    }
    text += "{\"module\":";
    if (frame.module.empty()) {
      text += "null";
    } else {
      AppendJsonString(BaseName(frame.module), &text);
    }
    fmt::format_to(std::back_inserter(text), ",\"offset\":\"{:#x}\"}}", frame.offset);
  }
  return text += "]";
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

const std::string& EventWriter::Line(const Moment& moment, const JournalEvent& entry) {
  const trace::Event& event = entry.event;
  const ProcessIndex process = model_.Find(moment.file, entry.image);
  line_.clear();
  fmt::format_to(std::back_inserter(line_), "{{\"time_s\":{:.9f}", moment.time_s);
  if (process == kNoProcess) {
    line_ += ",\"process\":null,\"pid\":null";
  } else {
    const Process& found = model_.processes()[process];
    fmt::format_to(std::back_inserter(line_), ",\"process\":\"{}\",\"pid\":{}", found.id, found.pid);
  }
  AppendNumber("thread", entry.thread != 0, entry.thread);
  const auto kind = static_cast<size_t>(event.kind);
  fmt::format_to(std::back_inserter(line_),
                 ",\"event\":\"{}\",\"call\":", kind < std::size(kEventNames) ? kEventNames[kind] : "unknown");
  AppendJsonString(model_.files()[moment.file].CallName(event.call), &line_);
  AppendNumber("fd", event.fd != -1 || event.kind == EventKind::kCloseFailed, event.fd);
  AppendNumber("other", HasOther(event.kind), event.other);
  AppendNumber("incarnation", event.incarnation != 0, event.incarnation);
  line_ += event.error <= 0 ? ",\"error\":null," : fmt::format(",\"error\":\"{}\",", ErrorName(event.error));
  line_ += StackText(moment.file, event.stack);
  line_ += "}\n";
  return line_;
}

}  // namespace

bool WriteEvents(Model& model, std::FILE* out) {
  EventWriter writer(model);
  for (const Moment& moment : SortedMoments(model)) {
    JournalEvent event;
    if (!GetEvent(model.files()[moment.file], moment.place, &event)) continue;
    const std::string& line = writer.Line(moment, event);
    if (std::fwrite(line.data(), 1, line.size(), out) != line.size()) return false;
  }
  return std::fflush(out) == 0;
}

}  // namespace fdaudit::analyzer
