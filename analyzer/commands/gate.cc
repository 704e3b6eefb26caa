// fdaudit gate and diff: which findings of traces and stored reports should stop a build.

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/gate_options.h"
#include "analyzer/commands/inputs.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/output/baseline.h"
#include "analyzer/output/document.h"
#include "analyzer/output/exports/exports.h"
#include "analyzer/output/gate_text.h"
#include "analyzer/trace/trace_error.h"
#include "analyzer/viewer/page.h"

namespace fdaudit::analyzer {
namespace {

/// What was judged, and what it is rendered from: a report made from traces alone, or a document of everything.
struct Judged {
  Verdict verdict;
  std::vector<Subject> subjects;
  std::unique_ptr<LoadedTraces> traces;
  std::optional<Report> report;
  std::optional<Document> document;
};

/// Traces alone are judged as they are: as documents they would take many times the memory.
Judged JudgeAll(Inputs inputs, const ReportOptions& options, const Policy& policy) {
  Judged judged;
  if (!inputs.traces.empty()) {
    judged.traces = std::make_unique<LoadedTraces>(inputs.traces, options);
    judged.report = judged.traces->MakeReport(options, policy);
    if (!inputs.reports.empty()) inputs.reports.emplace_back(*judged.report);
  }
  if (!inputs.reports.empty()) judged.document = MergeReports(std::move(inputs.reports));
  if (judged.document) {
    judged.subjects = judged.document->Subjects();
    judged.verdict = Judge(policy, judged.document->Lost(), &judged.subjects);
    judged.document->SetVerdict(judged.subjects, judged.verdict);
  } else {
    judged.subjects = Subjects(*judged.report);
    judged.verdict = judged.report->gate;
  }
  if (judged.report && !options.ignore_before.empty()) judged.verdict.remark = DescribeLeftOut(*judged.report);
  return judged;
}

void WriteJudged(const Judged& judged, const ReportOptions& options, const Sink& sink) {
  if (options.format == "text") {
    sink(RenderGateText(judged.verdict, judged.subjects));
  } else if (!judged.document) {
    WriteReport(*judged.report, options, false, sink);
  } else if (options.format == "html") {
    sink(RenderPage(*judged.document, nullptr, {options.source_root, !options.redact}));
  } else {
    Render(*judged.document, options.format, {options.source_root}, sink);
  }
}

int RunGate(const std::vector<std::string>& inputs, const GateOptions& gate, const ReportOptions& options,
            const Policy& policy) {
  Inputs read = ReadInputs(inputs);
  if (!options.ignore_before.empty() && !read.reports.empty()) {
    return Complain("--ignore-before is for traces; stored reports no longer have the times of events", kExitUsage);
  }
  const Judged judged = JudgeAll(std::move(read), options, policy);
  if (!gate.new_baseline().empty()) {
    const auto write = [&](const Sink& sink) {
      if (judged.document) return Render(*judged.document, "json", {}, sink);
      WriteJson(*judged.report, sink);
    };
    if (!WriteBaseline(gate.new_baseline(), judged.subjects.size(), write)) return kExitUsage;
  } else if (gate.print_suppressions()) {
    std::fputs(RenderSuppressions(judged.subjects).c_str(), stdout);
  } else {
    ReportOutput output;
    if (const std::string problem = output.Open(options, stdout); !problem.empty()) {
      return Complain(problem, kExitUsage);
    }
    const auto write = [&](const Sink& sink) { WriteJudged(judged, options, sink); };
    if (!output.Write(write, options)) return kExitUsage;
    const bool is_shown = options.format == "text" && (options.output.empty() || options.output == "-");
    if (!is_shown) std::fputs(RenderVerdict(judged.verdict, judged.subjects).c_str(), stderr);
  }
  return gate.StatusOf(judged.verdict, judged.subjects);
}

/// Reads what the options name and calls judge(policy); what is wrong becomes a complaint and its status.
template <typename Judging>
int WithPolicy(GateOptions* gate, ReportOptions* options, Judging judge) {
  try {
    std::string problem = FormatProblem(options->format);
    if (problem.empty() && IsTraceFormat(options->format)) {
      problem = "format '" + options->format + "' shows what is no finding, too: it is for `report` and `run`";
    }
    if (problem.empty()) problem = gate->Load(options);
    return problem.empty() ? judge(gate->policy()) : Complain(problem, kExitUsage);
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

/// What is open and no finding is not judged: formats that draw it are refused.
void DescribeDocumentFormats(CommandLine* line) {
  line->Find(kFormatOption).help = "text (default), json, html, sarif, junit, github, gitlab or markdown";
}

}  // namespace

int GateCommand(int argc, char** argv) {
  CommandLine line(
      "Exits with 1 where traces or stored reports (report -f json) have findings that should stop a build; several\n"
      "are judged together, a cause that is in many of them once. Says which findings, and with --baseline what is\n"
      "gone. Exits with 4 where no finding fails, but the trace had no room for all evidence (--allow-loss).",
      "fdaudit gate");
  ReportOptions options;
  GateOptions gate;
  std::vector<std::string> inputs;
  AddReportOptions(&line, &options);
  DescribeDocumentFormats(&line);
  gate.Declare(&line);
  line.Add({{.names = "INPUT",
             .target = &inputs,
             .help = "trace file or directory, or a report as JSON",
             .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  return WithPolicy(&gate, &options, [&](const Policy& policy) { return RunGate(inputs, gate, options, policy); });
}

int DiffCommand(int argc, char** argv) {
  CommandLine line(
      "Compares two reports (report -f json): what is new, what is gone. Exits with 1 where something new fails the\n"
      "gate.",
      "fdaudit diff");
  ReportOptions options;
  GateOptions gate;
  std::string before;
  std::string after;
  AddReportOptions(&line, &options);
  DescribeDocumentFormats(&line);
  gate.Declare(&line, false);
  line.Add({{.names = "OLD", .target = &before, .help = "the report before", .is_required = true},
            {.names = "NEW", .target = &after, .help = "the report after", .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  return WithPolicy(&gate, &options, [&](Policy policy) {
    policy.baseline = BaselineOf(JudgeAll(ReadInputs({before}), options, policy).subjects);
    return RunGate({after}, gate, options, policy);
  });
}

}  // namespace fdaudit::analyzer
