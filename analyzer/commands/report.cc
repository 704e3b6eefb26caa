// fdaudit report: what a recorded trace says.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {

int ReportCommand(int argc, char** argv) {
  CLI::App app(
      "Reports on recorded traces: trace files, or directories of them. A trace may be read while the program\n"
      "still runs, after it was killed, and on another machine.",
      "fdaudit report");
  ReportOptions options;
  std::vector<std::string> traces;
  std::string later;
  AddReportOptions(app, &options);
  app.add_option("--pid", later, "where the threads of a hung process stand (not yet)")->type_name("PID");
  app.add_option("--core", later, "where the threads of a crashed process stood (not yet)")->type_name("FILE");
  app.add_option("TRACE", traces, "trace file or directory")->required();
  int status = kExitOk;
  if (!ParseArguments(app, argc, argv, kExitUsage, &status)) return status;
  const std::string problem = FormatProblem(options.format);
  if (!problem.empty()) return Complain(problem, kExitUsage);
  if (!later.empty()) return Complain("--pid and --core are not available yet in this version", kExitUsage);
  try {
    LoadedTraces loaded(traces, options);
    ReportOutput output;
    if (!output.Open(options, stdout)) {
      return Complain(options.output + " cannot be written: " + strerror(errno), kExitUsage);
    }
    const Report report = loaded.MakeReport(options);
    const std::string text = RenderReport(report, options, output.wants_color());
    return output.Write(text, options) ? kExitOk : kExitUsage;
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
