// fdaudit report: what a recorded trace says.

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/target/stopped_process.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {

namespace {

struct StandingOptions {
  int pid = 0;
  std::string core;
};

}  // namespace

int ReportCommand(int argc, char** argv) {
  CommandLine line(
      "Reports on recorded traces: trace files, or directories of them. A trace may be read while the program\n"
      "still runs, after it was killed, and on another machine.",
      "fdaudit report");
  ReportOptions options;
  std::vector<std::string> traces;
  StandingOptions standing_options;
  AddReportOptions(&line, &options);
  line.Add({{.names = "--pid",
             .target = &standing_options.pid,
             .help = "where the threads of a hung process stand, and on what",
             .type = "PID",
             .least = 1},
            {.names = "--core",
             .target = &standing_options.core,
             .help = "where the threads of a crashed process stood",
             .type = "FILE",
             .excludes = "--pid"},
            {.names = "TRACE", .target = &traces, .help = "trace file or directory", .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  const std::string problem = FormatProblem(options.format);
  if (!problem.empty()) return Complain(problem, kExitUsage);
  const bool has_standing = standing_options.pid != 0 || !standing_options.core.empty();
  if (has_standing && options.format != "text" && options.format != "json" && options.format != "html") {
    return Complain("--pid and --core go with -f text, -f json and -f html", kExitUsage);
  }
  try {
    std::optional<StoppedProcess> stopped;
    if (standing_options.pid != 0) {
      stopped = LookAtProcess(standing_options.pid);
      if (!stopped) return Complain(fmt::format("no process {} runs here", standing_options.pid), kExitUsage);
    }
    if (!standing_options.core.empty()) stopped = LookAtCore(standing_options.core);
    options.all |= has_standing;
    LoadedTraces loaded(traces, options);
    ReportOutput output;
    if (const std::string unwritable = output.Open(options, stdout); !unwritable.empty()) {
      return Complain(unwritable, kExitUsage);
    }
    const Report report = loaded.MakeReport(options);
    std::optional<Standing> standing;
    if (stopped) standing = loaded.Stand(*stopped);
    const auto write = [&](const Sink& sink) {
      WriteReport(report, options, output.wants_color(), sink, standing ? &*standing : nullptr);
    };
    return output.Write(write, options) ? kExitOk : kExitUsage;
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
