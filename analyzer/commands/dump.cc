// fdaudit dump: the journal, event by event.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/output/events.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {

int DumpCommand(int argc, char** argv) {
  CommandLine line(
      "Prints every event in the journal, and every descriptor that a process left open, one JSON object a line, "
      "oldest\n"
      "first. The journal is a ring: of a long run it holds the end (run with --journal SIZE for more); what was left\n"
      "open is always complete.",
      "fdaudit dump");
  std::vector<std::string> traces;
  ReportOptions options;
  DumpOptions dump_options;
  AddTraceOptions(&line, &options);
  line.Add({{.names = "--raw",
             .target = &dump_options.raw,
             .help = "call paths as modules and offsets alone, without looking for names"},
            {.names = "TRACE", .target = &traces, .help = "trace file or directory", .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  try {
    options.all = true;
    LoadedTraces loaded(traces, options);
    if (WriteEvents(loaded.MakeReport(options), dump_options, stdout)) return kExitOk;
    return Complain(std::string("the events cannot be written: ") + strerror(errno), kExitUsage);
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
