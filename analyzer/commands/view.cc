// fdaudit view: the page to look at, for people.

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/inputs.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/output/document.h"
#include "analyzer/output/escape.h"
#include "analyzer/trace/trace_error.h"
#include "analyzer/viewer/page.h"

namespace fdaudit::analyzer {
namespace {

/// In the working directory; a page that is there already stays.
std::string FreeName() {
  std::string name = "fdaudit.html";
  for (int i = 2; access(name.c_str(), F_OK) == 0; ++i) name = fmt::format("fdaudit-{}.html", i);
  return name;
}

std::string PageOf(const std::vector<std::string>& inputs, const ReportOptions& options) {
  const PageOptions page{options.source_root, !options.redact};
  Inputs read = ReadInputs(inputs);
  if (read.traces.empty()) return RenderPage(MergeReports(std::move(read.reports)), nullptr, page);
  LoadedTraces loaded(read.traces, options);
  const Report report = loaded.MakeReport(options);
  if (read.reports.empty()) return RenderPage(Document(report, kMostFindingsShown), &report, page);
  read.reports.emplace_back(report);
  return RenderPage(MergeReports(std::move(read.reports)), nullptr, page);
}

}  // namespace

int ViewCommand(int argc, char** argv) {
  CommandLine line(
      "Writes a page to look at in a browser, and says where it is: one HTML file that needs nothing else. Of a trace\n"
      "it has charts over time; of a stored report (-f json) the findings alone.",
      "fdaudit view");
  ReportOptions options;
  options.format = "html";
  std::vector<std::string> inputs;
  AddReportOptions(&line, &options);
  line.Remove(kFormatOption);
  line.Add({{.names = "TRACE|REPORT",
             .target = &inputs,
             .help = "trace file, directory of them, or stored report",
             .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  try {
    const std::string page = PageOf(inputs, options);
    if (options.output.empty()) options.output = FreeName();
    ReportOutput output;
    if (const std::string problem = output.Open(options, stdout); !problem.empty()) {
      return Complain(problem + "; -o FILE puts the page elsewhere", kExitUsage);
    }
    if (!output.Write([&page](const Sink& sink) { sink(page); }, options)) return kExitUsage;
    std::error_code error;
    const std::filesystem::path place = std::filesystem::absolute(options.output, error);
    if (options.output != "-") std::printf("%s\n", EscapeForTerminal(place.string()).c_str());
    return kExitOk;
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
