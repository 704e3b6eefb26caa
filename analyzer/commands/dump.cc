// fdaudit dump: the journal, event by event.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/output/events.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {

int DumpCommand(int argc, char** argv) {
  CLI::App app(
      "Prints every event in the journal, and every descriptor that a process left open, one JSON object a line, "
      "oldest\n"
      "first. The journal is a ring: of a long run it holds the end (run with --journal SIZE for more); what was left\n"
      "open is always complete.",
      "fdaudit dump");
  std::vector<std::string> traces;
  ReportOptions options;
  DumpOptions dump_options;
  AddTraceOptions(app, &options);
  app.add_flag("--raw", dump_options.raw, "call paths as modules and offsets alone, without looking for names");
  app.add_option("TRACE", traces, "trace file or directory")->required();
  int status = kExitOk;
  if (!ParseArguments(app, argc, argv, kExitUsage, &status)) return status;
  try {
    LoadedTraces loaded(traces, options);
    if (WriteEvents(loaded.MakeReport(options), dump_options, stdout)) return kExitOk;
    return Complain(std::string("the events cannot be written: ") + strerror(errno), kExitUsage);
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
