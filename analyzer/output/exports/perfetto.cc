// A timeline in the trace-event format, as ui.perfetto.dev and chrome://tracing read it. A process of ours is a process
// there; in the place of threads it has descriptor numbers, so each number is one track with its lives one after the
// other. A counter follows how many were open, and an instant marks where a finding was decided.
//
// Viewers load the whole file, so it is bounded: of the lives the short and tidy ones are left out first, of a counter
// the points between which least happens. What was left out is counted in otherData and in the process's labels.

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/detect/kinds.h"
#include "analyzer/model/lives.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/exports/exports.h"
#include "analyzer/version.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMaxLives = 30000;
constexpr size_t kMaxPoints = 40000;  // of all counters together
constexpr size_t kMaxFrames = 8;      // of a stack
constexpr int kPidsEnd = 1 << 22;     // no pid of Linux reaches it

std::string Json(const std::string& text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

/// Microseconds, as the format counts, with the nanoseconds behind the point.
std::string Time(double seconds) { return fmt::format("{:.3f}", seconds * 1e6); }

class TraceEvents {
 public:
  explicit TraceEvents(const Report& report) : model_(*report.model), report_(report) {}

  std::string Write();

 private:
  void ChoosePids();
  void Keep(std::vector<Life>* lives);
  void Event(const std::string& text);
  void Names(const std::vector<Life>& lives);
  void AddLife(const Life& life);
  void Counters(const std::vector<Life>& lives);
  void Counter(ProcessIndex process, std::vector<std::pair<double, int>> changes, size_t most);
  void Findings();
  std::string OtherData();
  std::string StackText(PathId path);

  Model& model_;
  const Report& report_;
  std::vector<int> pids_;  // by process
  std::map<ProcessIndex, uint64_t> left_out_;
  uint64_t lives_left_out_ = 0;
  uint64_t points_left_out_ = 0;
  std::string out_;
  bool is_first_ = true;
};

/// A number's track is its process's thread of that number. Zero is no thread.
int TrackOf(int fd) { return fd == 0 ? kPidsEnd : fd; }

/// The images of one process follow each other under its pid; a pid that was given out again needs another one here.
void TraceEvents::ChoosePids() {
  std::map<int, ProcessIndex> latest;
  int next = kPidsEnd + 1;
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) {
    const Process& process = model_.processes()[i];
    const auto [known, is_new] = latest.try_emplace(process.pid, i);
    const bool goes_on = !is_new && process.started_by == trace::StartedBy::kExec && process.parent == known->second;
    pids_.push_back(goes_on ? pids_[known->second] : is_new && process.pid > 0 ? process.pid : next++);
    known->second = i;
  }
}

void TraceEvents::Event(const std::string& text) {
  out_ += is_first_ ? "\n" : ",\n";
  out_ += text;
  is_first_ = false;
}

std::string TraceEvents::StackText(PathId path) {
  std::string text;
  size_t shown = 0;
  const FrameList& frames = model_.paths().Frames(path);
  for (const Frame& frame : frames) {
    if (shown++ == kMaxFrames) return text + fmt::format(" < and {} more", frames.size() - kMaxFrames);
    text += (text.empty() ? "" : " < ") + Describe(frame);
  }
  return text;
}

/// What is open in the end and what lasted longest stays.
void TraceEvents::Keep(std::vector<Life>* lives) {
  if (lives->size() <= kMaxLives) return;
  std::vector<uint32_t> order(lives->size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto weighs_more = [&](uint32_t a, uint32_t b) {
    const Life& left = (*lives)[a];
    const Life& right = (*lives)[b];
    if (left.is_open != right.is_open) return left.is_open;
    return left.end_s - left.begin_s > right.end_s - right.begin_s;
  };
  std::nth_element(order.begin(), order.begin() + kMaxLives, order.end(), weighs_more);
  std::vector<bool> stays(lives->size(), false);
  for (size_t i = 0; i < kMaxLives; ++i) stays[order[i]] = true;
  std::vector<Life> kept;
  for (uint32_t i = 0; i < lives->size(); ++i) {
    if (stays[i]) {
      kept.push_back(std::move((*lives)[i]));
    } else {
      ++left_out_[(*lives)[i].process];
    }
  }
  lives_left_out_ = lives->size() - kept.size();
  *lives = std::move(kept);
}

void TraceEvents::Names(const std::vector<Life>& lives) {
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) {
    const Process& process = model_.processes()[i];
    const std::string name = fmt::format("{} ({})", BaseName(process.exe), process.pid);
    Event(fmt::format(R"({{"ph":"M","name":"process_name","pid":{},"args":{{"name":{}}}}})", pids_[i], Json(name)));
    if (left_out_.count(i) == 0) continue;
    const std::string label = fmt::format("{} short lives left out", left_out_[i]);
    Event(
        fmt::format(R"({{"ph":"M","name":"process_labels","pid":{},"args":{{"labels":{}}}}})", pids_[i], Json(label)));
  }
  std::set<std::pair<int, int>> named;
  for (const Life& life : lives) {
    const int pid = pids_[life.process];
    if (!named.emplace(pid, life.fd).second) continue;
    Event(fmt::format(R"({{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"descriptor {}"}}}})", pid,
                      TrackOf(life.fd), life.fd));
    Event(fmt::format(R"({{"ph":"M","name":"thread_sort_index","pid":{},"tid":{},"args":{{"sort_index":{}}}}})", pid,
                      TrackOf(life.fd), life.fd));
  }
}

void TraceEvents::AddLife(const Life& life) {
  std::string name = life.target.empty() ? life.call : life.target;
  if (name.empty()) name = life.is_inherited ? "inherited" : "unknown";
  std::string args = fmt::format(R"("fd":{},"type":"{}","open at the end":{})", life.fd, Name(life.kind), life.is_open);
  const auto add = [&args](const char* key, const std::string& text) {
    if (!text.empty()) args += fmt::format(",\"{}\":{}", key, Json(text));
  };
  add("opened by", life.call);
  add("opened at", StackText(life.path));
  add("closed by", life.closing_call);
  add("closed at", StackText(life.closing_path));
  add("target", life.target);
  if (life.is_inherited) args += ",\"inherited\":true";
  if (!life.is_begin_known && !life.is_inherited) args += ",\"begin\":\"unknown\"";
  Event(fmt::format(R"({{"ph":"X","cat":"descriptor","name":{},"pid":{},"tid":{},"ts":{},"dur":{},"args":{{{}}}}})",
                    Json(name), pids_[life.process], TrackOf(life.fd), Time(life.begin_s),
                    Time(std::max(life.end_s - life.begin_s, 0.0)), args));
}

/// Of neighbouring points only the lowest and the highest stay, where there are too many.
void TraceEvents::Counter(ProcessIndex process, std::vector<std::pair<double, int>> changes, size_t most) {
  const Process& who = model_.processes()[process];
  std::stable_sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  int sum = 0;
  for (auto& [time, count] : changes) count = sum += count;
  // Sums start from what the lives do not show: in the end they must come to what the table held.
  const int last = changes.empty() ? 0 : changes.back().second;
  const int before = static_cast<int>(std::min<uint64_t>(who.open_at_end, INT32_MAX / 2)) - last;
  changes.insert(changes.begin(), {who.started_s, 0});
  const auto emit = [&](const std::pair<double, int>& point) {
    Event(fmt::format(R"({{"ph":"C","name":"open descriptors","pid":{},"ts":{},"args":{{"open":{}}}}})", pids_[process],
                      Time(point.first), std::max(before + point.second, 0)));
  };
  const size_t step = changes.size() <= most ? 1 : changes.size() * 2 / most + 1;
  const auto lower = [](const auto& a, const auto& b) { return a.second < b.second; };
  for (size_t i = 0; i < changes.size(); i += step) {
    const auto first = changes.begin() + static_cast<ptrdiff_t>(i);
    const auto end = changes.begin() + static_cast<ptrdiff_t>(std::min(i + step, changes.size()));
    auto [lowest, highest] = std::minmax_element(first, end, lower);
    if (lowest > highest) std::swap(lowest, highest);
    emit(*lowest);
    if (highest != lowest) emit(*highest);
    points_left_out_ += static_cast<uint64_t>(end - first) - (highest == lowest ? 1 : 2);
  }
}

void TraceEvents::Counters(const std::vector<Life>& lives) {
  std::map<ProcessIndex, std::vector<std::pair<double, int>>> changes;
  for (const Life& life : lives) {
    changes[life.process].emplace_back(life.begin_s, 1);
    if (!life.is_open) changes[life.process].emplace_back(life.end_s, -1);
  }
  const size_t most = std::max<size_t>(kMaxPoints / std::max<size_t>(model_.processes().size(), 1), 16);
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) Counter(i, std::move(changes[i]), most);
}

void TraceEvents::Findings() {
  for (const Finding& finding : report_.findings) {
    const StoryEvent& event = finding.events[finding.deciding];
    const ProcessIndex process = event.process != kNoProcess ? event.process : finding.processes.front();
    const int track = event.fd >= 0 ? TrackOf(event.fd) : kPidsEnd;
    Event(fmt::format(R"({{"ph":"i","cat":"finding","name":{},"s":"p","pid":{},"tid":{},"ts":{},"args":{{"severity":)"
                      R"("{}","message":{},"id":{},"at":{}}}}})",
                      Json(Name(finding.kind)), pids_[process], track, Time(event.time_s), Name(finding.severity),
                      Json(finding.message), Json(finding.id), Json(StackText(event.path))));
  }
}

std::string TraceEvents::OtherData() {
  const Session& session = model_.session();
  std::string command, notes;
  for (const std::string& argument : session.command) command += (command.empty() ? "" : " ") + argument;
  for (const std::string& note : CoverageLines(model_)) notes += (notes.empty() ? "" : "; ") + note;
  return fmt::format(
      R"({{"tool":"fdaudit {}","command":{},"host":{},"started":"{}","lives left out":{},"counter points left out":{},)"
      R"("notes":{}}})",
      kVersion, Json(command), Json(session.host), FormatTime(session.started_realtime_ns), lives_left_out_,
      points_left_out_, Json(notes));
}

std::string TraceEvents::Write() {
  ChoosePids();
  out_ = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  std::vector<Life> lives = ReadLives(model_).lives;
  // What a forked process inherited and never touched fills tracks that show nothing.
  std::erase_if(lives, [](const Life& life) { return life.is_copy && life.is_open; });
  Counters(lives);
  Keep(&lives);
  Names(lives);
  for (const Life& life : lives) AddLife(life);
  Findings();
  return out_ + "\n],\"otherData\":" + OtherData() + "}\n";
}

}  // namespace

std::string RenderPerfetto(const Report& report) { return TraceEvents(report).Write(); }

}  // namespace fdaudit::analyzer
