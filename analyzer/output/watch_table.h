#pragma once

// What `fdaudit watch` shows: processes with their open descriptors, limit and time left, growth by call path,
// findings. Rates come from what was seen at each look.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

struct WatchRow {
  bool is_heading = false;
  bool is_alarming = false;
  std::string text;
};

class WatchTable {
 public:
  /// Looks at the model as it is now. `now_s`: on any steady clock.
  void Look(const Report& report, double now_s);

  const std::string& title() const { return title_; }
  /// Rows that contain `filter`, in whatever case, below their headings.
  std::vector<WatchRow> Rows(const std::string& filter) const;

 private:
  struct Sample {
    double time_s;
    uint64_t open;
  };
  /// The last half minute of something that grows.
  using Series = std::deque<Sample>;

  void AddProcesses(const Report& report, double now_s);
  void AddPaths(const Report& report, double now_s);
  void AddFindings(const Report& report);
  static double RateOf(Series* series, double now_s, uint64_t open);

  std::string title_;
  std::vector<WatchRow> rows_;
  std::map<std::string, Series> processes_;  // by pid and start
  std::map<uint64_t, Series> paths_;         // by the path's hash
};

/// All of it, without a terminal.
std::string RenderWatch(const WatchTable& table);

/// One frame for a screen: `first` is the first row shown, `selected` the marked one (headings count as rows).
struct WatchView {
  size_t selected = 0;
  size_t first = 0;
  std::string filter;
  bool is_typing = false;
  std::string message;
};
std::string DrawWatch(const WatchTable& table, WatchView* view, int rows, int columns);

}  // namespace fdaudit::analyzer
