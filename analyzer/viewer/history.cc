#include "analyzer/viewer/history.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/model/lives.h"
#include "analyzer/output/coverage.h"
#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

using Json = JsonValue;

constexpr size_t kMoments = 49;          // of the call paths' picture, from the start to the end
constexpr size_t kMostPoints = 120'000;  // of all curves together
constexpr size_t kMostPointsEach = 600;
constexpr size_t kMostRows = 20'000;  // of call paths that held descriptors
constexpr size_t kMostLanes = 3'000;
constexpr size_t kMostLivesEach = 200;
constexpr size_t kMostLives = 50'000;
constexpr size_t kMostIncidentsEach = 50;
constexpr size_t kMostInherited = 20;  // of one process

/// A list of these values.
template <typename... Values>
Json Row(Values... values) {
  Json list = Json::EmptyList();
  (list.Push(values), ...);
  return list;
}

double Rounded(double seconds) { return std::round(seconds * 1e6) / 1e6; }

/// Texts by number, each once.
class Texts {
 public:
  int NumberOf(const std::string& text) {
    const auto [known, is_new] = numbers_.try_emplace(text, static_cast<int>(list_.size()));
    if (is_new) list_.Push(EscapeForTerminal(text));
    return known->second;
  }
  Json TakeList() { return std::move(list_); }

 private:
  std::map<std::string, int> numbers_;
  Json list_ = Json::EmptyList();
};

class HistoryWriter {
 public:
  explicit HistoryWriter(const Report& report)
      : report_(report), model_(*report.model), lives_(ReadLives(model_)), duration_s_(lives_.until_s) {}

  Json Render();

 private:
  struct Lane {
    ProcessIndex process;
    int fd;
    std::vector<size_t> lives;
    std::vector<size_t> incidents;
    bool is_found = false;  ///< a finding is about it
  };

  int NumberOf(PathId path);
  Json RenderProcesses();
  void RenderCurve(const std::vector<std::pair<double, int>>& changes, int before, double start_s, double end_s,
                   size_t most, Json* process) const;
  Json RenderOpen();
  std::vector<Lane> ListLanes() const;
  Json RenderLanes();
  Json RenderLane(const Lane& lane, size_t most);

  const Report& report_;
  Model& model_;
  Lives lives_;
  double duration_s_;
  std::map<PathId, int> path_numbers_;
  Json paths_ = Json::EmptyList();
  Texts frames_;
  std::map<int, bool> own_;  // by frame
  Texts calls_;
  Texts targets_;
  Json omitted_ = Json::EmptyObject();
};

/// Outermost frame first.
int HistoryWriter::NumberOf(PathId path) {
  if (path == kNoPath) return -1;
  const auto [known, is_new] = path_numbers_.try_emplace(path, static_cast<int>(paths_.size()));
  if (!is_new) return known->second;
  Json list = Json::EmptyList();
  const FrameList& frames = model_.paths().Frames(path);
  for (auto frame = frames.rbegin(); frame != frames.rend(); ++frame) {
    const int number = frames_.NumberOf(Describe(*frame));
    own_[number] = !frame->is_runtime && IsOwn(*frame, "");
    list.Push(number);
  }
  paths_.Push(std::move(list));
  return known->second;
}

/// The highest of each stretch of time, so that no peak is lost. `before`: open from the start, with nothing recorded.
void HistoryWriter::RenderCurve(const std::vector<std::pair<double, int>>& changes, int before, double start_s,
                                double end_s, size_t most, Json* process) const {
  Json times = Json::EmptyList();
  Json counts = Json::EmptyList();
  int last = -1;
  const double step = (end_s - start_s) / static_cast<double>(most);
  int open = before;
  double at = start_s;
  int highest = before;
  const auto put = [&] {
    if (!counts.empty() && last == highest) return;
    times.Push(Rounded(at));
    counts.Push(last = highest);
  };
  for (const auto& [time, change] : changes) {
    if (time > at + step) {
      put();
      at = time;
      highest = open;
    }
    open += change;
    highest = std::max(highest, open);
  }
  put();
  highest = open;
  at = changes.empty() ? start_s : changes.back().first;
  put();
  process->At("t") = std::move(times);
  process->At("open") = std::move(counts);
}

Json HistoryWriter::RenderProcesses() {
  const size_t count = model_.processes().size();
  std::vector<std::vector<std::pair<double, int>>> changes(count);
  for (const Life& life : lives_.lives) {
    changes[life.process].emplace_back(life.begin_s, 1);
    if (!life.is_open) changes[life.process].emplace_back(life.end_s, -1);
  }
  std::vector<Json> full(count, Json::EmptyList());
  for (const Incident& incident : lives_.incidents) {
    Json& times = full[incident.process];
    if (incident.kind == Incident::Kind::kTableFull && times.size() < kMostIncidentsEach) {
      times.Push(Rounded(incident.time_s));
    }
  }
  std::vector<Json> inherited(count, Json::EmptyList());
  std::vector<uint64_t> inherited_known(count, 0);
  for (const Life& life : lives_.lives) {
    if (life.is_inherited) ++inherited_known[life.process];
    if (!life.is_inherited || life.fd <= 2 || inherited[life.process].size() == kMostInherited) continue;
    const int path = NumberOf(life.path);
    const int call = calls_.NumberOf(life.call);
    inherited[life.process].Push(Row(life.fd, path, call, life.target.empty() ? -1 : targets_.NumberOf(life.target)));
  }
  const size_t most = std::clamp(kMostPoints / std::max<size_t>(count, 1), size_t{20}, kMostPointsEach);
  // What a process has lowered its limit to is known where it ran into it.
  std::map<ProcessIndex, int> limits;
  for (const Finding& finding : report_.findings) {
    if (finding.kind == Kind::kExhausted && finding.limit > 0) limits[finding.processes.front()] = finding.limit;
  }
  Json list = Json::EmptyList();
  for (ProcessIndex i = 0; i < count; ++i) {
    const Process& process = model_.processes()[i];
    const bool runs = process.end.kind == EndKind::kRunning;
    const bool has_end = !runs && process.ended_by != trace::EndedBy::kNone;
    const double end_s = has_end ? process.ended_s : duration_s_;
    std::stable_sort(changes[i].begin(), changes[i].end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json out;
    out.At("id") = process.id;
    out.At("pid") = process.pid;
    out.At("name") = EscapeForTerminal(BaseName(process.exe));
    out.At("start") = Rounded(process.started_s);
    out.At("end") = Rounded(end_s);
    out.At("limit") = limits.contains(i) ? static_cast<uint64_t>(limits[i]) : process.descriptor_limit;
    out.At("peak") = process.peak;
    out.At("full") = std::move(full[i]);
    out.At("inherited") = std::move(inherited[i]);
    const uint64_t before = process.inherited - std::min(process.inherited, inherited_known[i]);
    RenderCurve(changes[i], static_cast<int>(std::min<uint64_t>(before, INT32_MAX)), process.started_s, end_s, most,
                &out);
    list.Push(std::move(out));
  }
  return list;
}

/// How many descriptors each call path held, at each moment and, last of all, at its process's end.
Json HistoryWriter::RenderOpen() {
  const double step = duration_s_ > 0 ? duration_s_ / (kMoments - 1) : 1;
  std::map<std::pair<ProcessIndex, PathId>, std::vector<uint32_t>> rows;
  for (const Life& life : lives_.lives) {
    // What a child has by inheritance is its parent's doing, and would be counted twice.
    if (life.is_inherited || life.path == kNoPath) continue;
    const auto first = static_cast<size_t>(std::clamp(std::ceil(life.begin_s / step), 0.0, double{kMoments}));
    const double until = std::min(life.end_s, duration_s_ + step / 2);
    const auto end = static_cast<size_t>(std::clamp(std::ceil(until / step), 0.0, double{kMoments}));
    if (first >= end && !life.is_open) continue;
    std::vector<uint32_t>& counts = rows[{life.process, life.path}];
    counts.resize(kMoments + 1);
    for (size_t i = first; i < end; ++i) ++counts[i];
    if (life.is_open) ++counts[kMoments];
  }
  std::vector<std::pair<uint64_t, decltype(rows)::const_iterator>> order;
  for (auto row = rows.cbegin(); row != rows.cend(); ++row) {
    order.emplace_back(row->second[kMoments] * uint64_t{kMoments} + row->second[kMoments / 2], row);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  if (order.size() > kMostRows) omitted_.At("call_paths") = order.size() - kMostRows;
  Json list = Json::EmptyList();
  for (size_t i = 0; i < std::min(order.size(), kMostRows); ++i) {
    const auto& [key, counts] = *order[i].second;
    // Zeros at the front are left out: the row gives the place of the first other count.
    size_t first = 0;
    while (first < kMoments && counts[first] == 0) ++first;
    Json row = Row(key.first, NumberOf(key.second), first);
    for (size_t j = first; j <= kMoments; ++j) row.Push(counts[j]);
    list.Push(std::move(row));
  }
  return list;
}

std::vector<HistoryWriter::Lane> HistoryWriter::ListLanes() const {
  std::map<std::pair<ProcessIndex, int>, Lane> lanes;
  const auto lane_of = [&](ProcessIndex process, int fd) -> Lane& {
    return lanes.try_emplace({process, fd}, Lane{process, fd, {}, {}}).first->second;
  };
  for (size_t i = 0; i < lives_.lives.size(); ++i) {
    lane_of(lives_.lives[i].process, lives_.lives[i].fd).lives.push_back(i);
  }
  for (size_t i = 0; i < lives_.incidents.size(); ++i) {
    const Incident& incident = lives_.incidents[i];
    if (incident.fd >= 0) lane_of(incident.process, incident.fd).incidents.push_back(i);
  }
  for (const Finding& finding : report_.findings) {
    for (const ProcessIndex process : finding.processes) {
      for (const int fd : finding.fds) {
        const auto lane = lanes.find({process, fd});
        if (lane != lanes.end()) lane->second.is_found = true;
      }
    }
  }
  std::vector<Lane> list;
  for (auto& [key, lane] : lanes) list.push_back(std::move(lane));
  const auto rank = [](const Lane& lane) {
    return std::make_tuple(lane.is_found, !lane.incidents.empty(), lane.lives.size());
  };
  std::stable_sort(list.begin(), list.end(), [&](const Lane& a, const Lane& b) { return rank(a) > rank(b); });
  return list;
}

/// The latest lives, because what went wrong last is what people look for.
Json HistoryWriter::RenderLane(const Lane& lane, size_t most) {
  Json lives = Json::EmptyList();
  const size_t first = lane.lives.size() > most ? lane.lives.size() - most : 0;
  for (size_t i = first; i < lane.lives.size(); ++i) {
    const Life& life = lives_.lives[lane.lives[i]];
    const bool still_open = life.is_open;
    // Numbers are given in the order in which they are asked for: one after the other.
    const int path = NumberOf(life.path);
    const int call = calls_.NumberOf(life.call);
    const int closing_path = still_open ? -1 : NumberOf(life.closing_path);
    const int closing_call = calls_.NumberOf(still_open ? "" : life.closing_call);
    const int target = life.target.empty() ? -1 : targets_.NumberOf(life.target);
    lives.Push(Row(Rounded(life.begin_s), Rounded(life.end_s), path, call, closing_path, closing_call,
                   (life.is_inherited ? 1 : 0) + (still_open ? 2 : 0), target, calls_.NumberOf(life.adopting_call)));
  }
  Json incidents = Json::EmptyList();
  const size_t count = lane.incidents.size();
  for (size_t i = count > kMostIncidentsEach ? count - kMostIncidentsEach : 0; i < count; ++i) {
    const Incident& incident = lives_.incidents[lane.incidents[i]];
    const int path = NumberOf(incident.path);
    incidents.Push(Row(Rounded(incident.time_s), incident.kind == Incident::Kind::kStaleClose ? 1 : 0, path,
                       calls_.NumberOf(incident.call)));
  }
  Json out;
  out.At("p") = lane.process;
  out.At("fd") = lane.fd;
  out.At("n") = lane.lives.size();
  out.At("found") = lane.is_found;
  out.At("lives") = std::move(lives);
  out.At("incidents") = std::move(incidents);
  return out;
}

Json HistoryWriter::RenderLanes() {
  const std::vector<Lane> lanes = ListLanes();
  Json list = Json::EmptyList();
  size_t left = kMostLives;
  size_t lives_omitted = 0;
  for (const Lane& lane : lanes) {
    const size_t most = list.size() < kMostLanes ? std::min(left, kMostLivesEach) : 0;
    const size_t shown = std::min(most, lane.lives.size());
    lives_omitted += lane.lives.size() - shown;
    if (most == 0) continue;
    left -= shown;
    list.Push(RenderLane(lane, most));
  }
  if (list.size() < lanes.size()) omitted_.At("numbers") = lanes.size() - list.size();
  if (lives_omitted != 0) omitted_.At("lives") = lives_omitted;
  return list;
}

Json HistoryWriter::Render() {
  Json out;
  out.At("duration") = Rounded(duration_s_);
  out.At("complete") = lives_.complete;
  Json moments = Json::EmptyList();
  for (size_t i = 0; i < kMoments; ++i) moments.Push(Rounded(duration_s_ * static_cast<double>(i) / (kMoments - 1)));
  out.At("moments") = std::move(moments);
  out.At("processes") = RenderProcesses();
  out.At("open") = RenderOpen();
  out.At("lanes") = RenderLanes();
  out.At("paths") = std::move(paths_);
  Json own = Json::EmptyList();
  for (const auto& [frame, is_own] : own_) {
    if (is_own) own.Push(frame);
  }
  out.At("own") = std::move(own);
  out.At("frames") = frames_.TakeList();
  out.At("calls") = calls_.TakeList();
  out.At("targets") = targets_.TakeList();
  out.At("omitted") = std::move(omitted_);
  Json coverage = Json::EmptyList();
  for (const std::string& line : CoverageLines(model_)) coverage.Push(EscapeForTerminal(line));
  out.At("coverage") = std::move(coverage);
  return out;
}

}  // namespace

Json HistoryJson(const Report& report) { return HistoryWriter(report).Render(); }

}  // namespace fdaudit::analyzer
