// fdaudit watch: a table of a running program's descriptors, redrawn every second. It reads the trace and nothing
// else of the program, so the program never notices.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/commands/terminal.h"
#include "analyzer/output/watch_table.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

class Watch {
 public:
  Watch(std::vector<std::string> traces, ReportOptions options)
      : traces_(std::move(traces)), options_(std::move(options)), symbolizer_(MakeSymbolizer(options_)) {
    options_.all = true;
  }

  void Look() {
    const double began = Now();
    LoadedTraces loaded(traces_, options_, symbolizer_);
    const Report report = loaded.MakeReport(options_);
    table_.Look(report, began);
    next_ = began + std::max(1.0, kShare * (Now() - began));
  }

  const WatchTable& table() const { return table_; }

  /// Until the user has enough.
  void Run();

 private:
  static constexpr double kShare = 4;  // a big trace is read for a quarter of the time at most

  void LookAgain();
  /// False: it is the last one.
  bool Handle(const KeyPress& press);
  bool HandleTyping(const KeyPress& press);

  std::vector<std::string> traces_;
  ReportOptions options_;
  std::shared_ptr<Symbolizer> symbolizer_;
  WatchTable table_;
  WatchView view_;
  int page_ = 1;
  double next_ = 0;
};

void Watch::LookAgain() {
  try {
    Look();
    view_.message.clear();
  } catch (const TraceError& error) {
    view_.message = std::string("no longer there: ") + error.what();  // what was seen last stays
    next_ = Now() + 1;
  }
}

bool Watch::HandleTyping(const KeyPress& press) {
  if (press.key == Key::kCharacter) view_.filter += press.text;
  if (press.key == Key::kBackspace) {
    while (!view_.filter.empty() && (view_.filter.back() & 0xc0) == 0x80) view_.filter.pop_back();
    if (!view_.filter.empty()) view_.filter.pop_back();
  }
  if (press.key == Key::kEscape) view_.filter.clear();
  if (press.key == Key::kEnter || press.key == Key::kEscape) view_.is_typing = false;
  return press.key != Key::kClosed;
}

bool Watch::Handle(const KeyPress& press) {
  if (view_.is_typing) return HandleTyping(press);
  const auto up = [this](size_t by) { view_.selected -= std::min(by, view_.selected); };
  switch (press.key) {
    case Key::kClosed:
      return false;
    case Key::kUp:
      up(1);
      break;
    case Key::kDown:
      ++view_.selected;  // drawing knows where the end is
      break;
    case Key::kPageUp:
      up(static_cast<size_t>(page_));
      break;
    case Key::kPageDown:
      view_.selected += static_cast<size_t>(page_);
      break;
    case Key::kHome:
      view_.selected = 0;
      break;
    case Key::kEnd:
      view_.selected = SIZE_MAX / 2;
      break;
    case Key::kEscape:
      view_.filter.clear();
      break;
    case Key::kCharacter:
      if (press.text == "q") return false;
      view_.is_typing = press.text == "/";
      if (view_.is_typing) view_.filter.clear();
      break;
    default:
      break;
  }
  return true;
}

void Watch::Run() {
  FullScreen screen;
  for (bool goes_on = true; goes_on;) {
    page_ = std::max(screen.rows() - 3, 1);
    screen.Draw(DrawWatch(table_, &view_, screen.rows(), screen.columns()));
    const double left = next_ - Now();
    const KeyPress press = screen.Wait(std::max(static_cast<int>(left * 1000), 0));
    goes_on = Handle(press);
    if (goes_on && Now() >= next_) LookAgain();
  }
}

}  // namespace

int WatchCommand(int argc, char** argv) {
  CommandLine line(
      "Live table of a running program's descriptors, refreshed every second: how many are open, the limit and the\n"
      "time left until it is reached at this rate, growth by call path, findings, the latest first. Rates are those "
      "of\n"
      "the last half minute that was watched. Keys: q quits, / filters, arrows and page keys select. Where standard\n"
      "output is no terminal, the table is printed once.",
      "fdaudit watch");
  std::vector<std::string> traces;
  ReportOptions options;
  AddTraceOptions(&line, &options);
  line.Add({{.names = "TRACE", .target = &traces, .help = "trace file or directory", .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  try {
    Watch watch(std::move(traces), std::move(options));
    watch.Look();
    if (isatty(STDOUT_FILENO) == 1) {
      watch.Run();
    } else {
      std::fputs(RenderWatch(watch.table()).c_str(), stdout);
    }
    return kExitOk;
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
