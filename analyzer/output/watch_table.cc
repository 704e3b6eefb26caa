#include "analyzer/output/watch_table.h"

#include <dirent.h>
#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "analyzer/detect/kinds.h"
#include "analyzer/output/escape.h"
#include "analyzer/output/exports/holdings.h"

namespace fdaudit::analyzer {
namespace {

constexpr double kWindow = 30;  // seconds that a rate is taken over
constexpr size_t kMaxPaths = 200;
constexpr double kAlarming = 0.8;  // of the limit

/// What the kernel counts, where the process may be looked at: a forked one's ledger lacks what it never touched.
uint64_t OpenNow(const Process& process) {
  uint64_t count = 0;
  if (process.end.kind == EndKind::kRunning) {
    DIR* const directory = opendir(("/proc/" + std::to_string(process.pid) + "/fd").c_str());
    while (const dirent* entry = directory == nullptr ? nullptr : readdir(directory)) count += entry->d_name[0] != '.';
    if (directory != nullptr) closedir(directory);
  }
  return std::max(count, process.open_at_end);
}

std::string Duration(double seconds) {
  if (seconds >= 86400 * 100) return "> 100 d";
  if (seconds >= 86400) return fmt::format("{:.1f} d", seconds / 86400);
  if (seconds >= 3600) return fmt::format("{:.1f} h", seconds / 3600);
  return seconds >= 60 ? fmt::format("{:.1f} min", seconds / 60) : fmt::format("{:.0f} s", seconds);
}

std::string Rate(double per_second) {
  if (per_second > -0.005 && per_second < 0.005) return "0";
  return fmt::format("{:+.2f}", per_second);
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// The innermost frames that are not the library's.
std::string PathText(Model& model, PathId path) {
  std::string text;
  int shown = 0;
  for (const Frame& frame : model.paths().Frames(path)) {
    if (frame.is_runtime || shown == 3) continue;
    text += (shown++ == 0 ? "" : " < ") + Describe(frame);
  }
  const Frame* const frame = model.paths().Location(path);
  if (text.empty() && frame != nullptr) text = Describe(*frame);
  return text.empty() ? "not known" : EscapeForTerminal(text);
}

}  // namespace

double WatchTable::RateOf(Series* series, double now_s, uint64_t open) {
  series->push_back({now_s, open});
  while (series->size() > 2 && series->front().time_s < now_s - kWindow) series->pop_front();
  const double seconds = now_s - series->front().time_s;
  if (seconds <= 0) return 0;
  return (static_cast<double>(open) - static_cast<double>(series->front().open)) / seconds;
}

void WatchTable::AddProcesses(const Report& report, double now_s) {
  rows_.push_back({true, false,
                   fmt::format("{:>8} {:>9} {:>9} {:>5} {:>10} {:>10}  {}", "PID", "OPEN", "LIMIT", "USED",
                               "PER SECOND", "TIME LEFT", "PROGRAM")});
  size_t ended = 0;
  for (const Process& process : report.model->processes()) {
    if (process.end.kind != EndKind::kRunning) {
      ended += process.end.kind == EndKind::kExec ? 0 : 1;
      continue;
    }
    const uint64_t open = OpenNow(process);
    const auto limit = static_cast<double>(process.descriptor_limit);
    const double rate = RateOf(&processes_[fmt::format("{} {}", process.pid, process.started_s)], now_s, open);
    const double used = limit > 0 ? static_cast<double>(open) / limit : 0;
    const std::string left =
        rate > 0.005 && limit > 0 ? Duration(std::max(limit - static_cast<double>(open), 0.0) / rate) : "-";
    rows_.push_back(
        {false, used >= kAlarming,
         fmt::format("{:>8} {:>9} {:>9} {:>4.0f}% {:>10} {:>10}  {}", process.pid, open, process.descriptor_limit,
                     used * 100, Rate(rate), left, EscapeForTerminal(BaseName(process.exe)))});
  }
  if (ended > 0)
    rows_.push_back({false, false, fmt::format("{:>8} process{} ended", ended, ended == 1 ? " has" : "es have")});
}

void WatchTable::AddPaths(const Report& report, double now_s) {
  struct Held {
    uint64_t open = 0;
    double rate = 0;
  };
  std::map<PathId, Held> held;
  for (const Holding& holding : HoldingsOf(report)) {
    const bool runs = report.model->processes()[holding.process].end.kind == EndKind::kRunning;
    if (runs && holding.origin == Origin::kOpened) held[holding.path].open += holding.open;
  }
  std::map<uint64_t, Series> seen;
  for (auto& [path, one] : held) {
    Series& series = seen[report.model->paths().Hash(path)] = std::move(paths_[report.model->paths().Hash(path)]);
    // What was not there before has grown from nothing.
    if (series.empty() && !title_.empty()) series.push_back({now_s - 1, 0});
    one.rate = RateOf(&series, now_s, one.open);
  }
  paths_ = std::move(seen);
  std::vector<std::pair<PathId, Held>> order(held.begin(), held.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second.rate != b.second.rate ? a.second.rate > b.second.rate : a.second.open > b.second.open;
  });
  rows_.push_back({true, false, fmt::format("{:>8} {:>10}  {}", "OPEN", "PER SECOND", "OPENED AT")});
  for (size_t i = 0; i < std::min(order.size(), kMaxPaths); ++i) {
    rows_.push_back({false, false,
                     fmt::format("{:>8} {:>10}  {}", order[i].second.open, Rate(order[i].second.rate),
                                 PathText(*report.model, order[i].first))});
  }
}

void WatchTable::AddFindings(const Report& report) {
  if (report.findings.empty()) return;
  rows_.push_back({true, false, fmt::format("{:>8} {:<16} {}", "SINCE", "FINDING", "WHAT")});
  std::vector<const Finding*> order;
  for (const Finding& finding : report.findings) order.push_back(&finding);
  const auto time_of = [](const Finding* finding) { return finding->events[finding->deciding].time_s; };
  std::stable_sort(order.begin(), order.end(),
                   [&](const Finding* a, const Finding* b) { return time_of(a) > time_of(b); });
  for (const Finding* finding : order) {
    rows_.push_back({false, finding->severity == Severity::kError,
                     fmt::format("{:>7.1f}s {:<16} {}", time_of(finding), Name(finding->kind),
                                 EscapeForTerminal(finding->message))});
  }
}

void WatchTable::Look(const Report& report, double now_s) {
  rows_.clear();
  AddProcesses(report, now_s);
  AddPaths(report, now_s);
  AddFindings(report);
  const Session& session = report.model->session();
  std::string command;
  for (const std::string& argument : session.command) command += (command.empty() ? "" : " ") + argument;
  constexpr size_t kLongest = 60;
  if (command.size() > kLongest) command = command.substr(0, kLongest) + "...";
  title_ = fmt::format("fdaudit watch: {} on {}, {}", EscapeForTerminal(command), EscapeForTerminal(session.host),
                       session.is_running ? "running" : "ended");
}

std::vector<WatchRow> WatchTable::Rows(const std::string& filter) const {
  const std::string wanted = Lower(filter);
  std::vector<WatchRow> shown;
  for (const WatchRow& row : rows_) {
    if (row.is_heading || Lower(row.text).find(wanted) != std::string::npos) shown.push_back(row);
  }
  return shown;
}

std::string RenderWatch(const WatchTable& table) {
  std::string text = table.title() + "\n";
  for (const WatchRow& row : table.Rows("")) text += (row.is_heading ? "\n" : "") + row.text + "\n";
  return text;
}

std::string DrawWatch(const WatchTable& table, WatchView* view, int rows, int columns) {
  const std::vector<WatchRow> shown = table.Rows(view->filter);
  const size_t height = static_cast<size_t>(std::max(rows - 2, 1));  // all but title and last line
  view->selected = std::min(view->selected, shown.empty() ? 0 : shown.size() - 1);
  if (view->selected < view->first) view->first = view->selected;
  if (view->selected >= view->first + height) view->first = view->selected - height + 1;
  view->first = std::min(view->first, shown.size() > height ? shown.size() - height : 0);
  // Every line is ended by "clear to its end", the last by "clear all below": nothing flickers.
  std::string text = "\033[H\033[1m" + table.title() + "\033[0m\033[K\r\n";
  for (size_t i = 0; i < height; ++i) {
    const size_t at = view->first + i;
    if (at < shown.size()) {
      const WatchRow& row = shown[at];
      if (row.is_heading) text += "\033[1m";
      if (row.is_alarming) text += "\033[31m";
      if (at == view->selected) text += "\033[7m";
      text += row.text + "\033[0m";
    }
    text += "\033[K\r\n";
  }
  std::string last = view->is_typing          ? "/" + EscapeForTerminal(view->filter) + "_"
                     : !view->message.empty() ? view->message
                     : view->filter.empty()
                         ? "q quit   / filter   arrows select"
                         : "filter: " + EscapeForTerminal(view->filter) + "   / change   Esc clear   q quit";
  if (static_cast<int>(last.size()) > columns) last.resize(static_cast<size_t>(columns));
  return text + last + "\033[K\033[J";
}

}  // namespace fdaudit::analyzer
