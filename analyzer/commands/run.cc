// fdaudit run: a program under the shim, and the report when it has ended. The program's standard streams, status and
// signals are as without it.

#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/commands/archive.h"
#include "analyzer/commands/child.h"
#include "analyzer/commands/command.h"
#include "analyzer/commands/diagnosis.h"
#include "analyzer/commands/gate_options.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/reporting.h"
#include "analyzer/commands/shim_file.h"
#include "analyzer/commands/shim_options.h"
#include "analyzer/commands/trace_place.h"
#include "analyzer/output/gate_text.h"
#include "analyzer/target/elf_target.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

struct RunOptions {
  ReportOptions report;
  std::string trace;
  std::string shim;
  bool force = false;
  bool has_gate = false;
  bool archives = false;
  GateOptions gate;
  std::vector<ShimOption> shim_options;
  std::vector<std::string> program;
};

/// Reads the command line up to "--"; what follows is the program's. False: leave with `*status`.
bool ReadRunArguments(int argc, char** argv, RunOptions* options, int* status) {
  CommandLine line(
      "Runs a program under the shim and reports when it has ended: text on standard error, other formats on\n"
      "standard output, or to FILE. Exits with the program's status, 128+N after signal N; 125 for its own\n"
      "failure, 126 where the program can't be executed or audited, 127 where it was not found.",
      "fdaudit run");
  ShimOptionReader shim_options;
  line.Add({{.names = "--trace",
             .target = &options->trace,
             .help = "keep the trace in DIR (made if missing)",
             .type = "DIR"},
            {.names = "--archive",
             .target = &options->archives,
             .help = "copy the programs and libraries beside the trace (fdaudit archive)"}});
  AddReportOptions(&line, &options->report);
  line.Add({{.names = "--shim",
             .target = &options->shim,
             .help = "the shim, where it is not beside fdaudit",
             .type = "FILE"},
            {.names = "--force", .target = &options->force, .help = "run the program even where it cannot be audited"},
            {.names = "--gate",
             .target = &options->has_gate,
             .help = "exit with 1 if the program succeeded and findings fail the gate, with 4 if evidence was lost"}});
  options->gate.Declare(&line);
  shim_options.Declare(&line);
  line.set_footer("The program is the first word that is no option, or what follows --:  fdaudit run PROGRAM [ARG...]");
  const int operand = line.FirstOperand(argc, argv);
  if (!line.Parse(operand, argv, kExitRunFailed, status)) return false;
  const bool is_dashes = operand < argc && strcmp(argv[operand], "--") == 0;
  options->program.assign(argv + operand + (is_dashes ? 1 : 0), argv + argc);
  std::string problem = FormatProblem(options->report.format);
  if (problem.empty()) problem = options->gate.Load(&options->report);
  if (problem.empty()) problem = shim_options.Read(&options->shim_options);
  if (problem.empty() && options->archives && options->trace.empty())
    problem = "--archive copies beside the trace: it goes with --trace DIR";
  if (problem.empty() && (options->program.empty() || options->program.front().empty())) {
    problem = "no program given; usage: fdaudit run PROGRAM [ARG...]";
  }
  if (!problem.empty()) *status = Complain(problem, kExitRunFailed);
  return problem.empty();
}

/// 0: go on. Else the status to refuse with.
int CheckProgram(const RunOptions& options, const TargetInfo& target) {
  const std::string& name = options.program.front();
  if (!target.exists) return Complain(name + ": no such program", kExitNotFound);
  if (target.problem.empty()) return 0;
  const std::string advice = target.advice.empty() ? "" : "; " + target.advice;
  const bool can_run = target.executable && !target.is_directory;
  if (can_run && options.force) {
    Complain(name + " cannot be audited: " + target.problem + "; run all the same (--force)", 0);
    return 0;
  }
  return Complain(name + " cannot be " + (can_run ? "audited: " : "executed: ") + target.problem + advice +
                      (can_run ? "; --force runs it unaudited" : ""),
                  kExitNotAudited);
}

int StatusOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/// Why the child never ran; its status as a shell would give it.
int ReportStartFailure(const std::string& name, const ChildResult& result) {
  if (result.fork_error != 0) {
    return Complain(std::string("no process can be started: ") + strerror(result.fork_error), kExitRunFailed);
  }
  // ENOENT for a program that exists means that its interpreter is missing.
  return Complain(name + " cannot be executed: " + strerror(result.exec_error), kExitNotAudited);
}

/// The status is the program's, whether or not somebody still reads the report (`… | head -1`).
void IgnoreBrokenPipes() { std::signal(SIGPIPE, SIG_IGN); }

/// What --gate makes the status of a program that succeeded. What can't be reported fails the gate: a build must not
/// pass for want of a look.
int ReportRun(const RunOptions& options, const TargetInfo& target, TracePlace& place, ReportOutput& output) {
  const std::vector<std::string> files = place.Files();
  if (files.empty()) {
    return Complain("nothing was recorded: " + WhyNothingRecorded(target, place.path()), options.gate.error_exitcode());
  }
  try {
    LoadedTraces traces(files, options.report);
    // They stay readable: they are open.
    place.RemoveWith(traces.FileNames());
    Report report = traces.MakeReport(options.report, options.has_gate ? options.gate.policy() : Policy{});
    const bool is_text = options.report.format == "text";
    if (!is_text && !options.report.ignore_before.empty()) report.gate.remark = DescribeLeftOut(report);
    const std::vector<Subject> subjects = Subjects(report);
    const std::string& baseline = options.gate.new_baseline();
    const bool is_judged = options.has_gate && baseline.empty();
    const std::string verdict = is_judged ? RenderVerdict(report.gate, subjects) : "";
    const auto write = [&](const Sink& sink) {
      WriteReport(report, options.report, output.wants_color(), sink);
      if (is_text) sink(verdict);
    };
    output.Write(write, options.report);
    if (!is_text) std::fputs(verdict.c_str(), stderr);
    const auto write_json = [&report](const Sink& sink) { WriteJson(report, sink); };
    if (!baseline.empty() && !WriteBaseline(baseline, subjects.size(), write_json))
      return options.gate.error_exitcode();
    if (options.archives && !options.trace.empty())
      fmt::print(stderr, "{}\n", ArchiveSymbols(&traces, options.report, options.trace));
    if (options.gate.print_suppressions()) std::fputs(RenderSuppressions(subjects).c_str(), stdout);
    return options.gate.StatusOf(report.gate, subjects);
  } catch (const TraceError& error) {
    return Complain(std::string("no report: ") + error.what(), options.gate.error_exitcode());
  }
}

}  // namespace

int RunCommand(int argc, char** argv) {
  RunOptions options;
  int status = kExitOk;
  if (!ReadRunArguments(argc, argv, &options, &status)) return status;
  const TargetInfo target = InspectProgram(options.program.front());
  if (const int refusal = CheckProgram(options, target); refusal != 0) return refusal;
  std::string problem;
  const std::optional<std::string> shim = FindShim(options.shim, &problem);
  if (!shim) return Complain(problem, kExitRunFailed);
  if (const uint64_t filters = SeccompFilters(); filters != 0) {
    if (SurvivesFilters(*shim)) {
      options.shim_options.emplace_back("filters", std::to_string(filters));
    } else if (!options.force) {
      return Complain(
          options.program.front() + " cannot be audited: the seccomp filter that is in effect here kills " +
              "what the shim needs at its start; loosen the filter (systemd: SystemCallFilter=), or start " +
              "fdaudit outside of it; --force runs it unaudited",
          kExitNotAudited);
    }
  }
  // Before the program runs: its work should not be lost to a report that can't be written.
  ReportOutput output;
  problem = output.Open(options.report, options.report.format == "text" ? stderr : stdout);
  if (!problem.empty()) return Complain(problem, kExitRunFailed);
  if (options.trace.empty()) options.trace = InheritedOption("trace");
  TracePlace place;
  if (!place.Prepare(options.trace, &problem)) return Complain(problem, kExitRunFailed);
  options.shim_options.emplace_back("trace", place.path());
  options.shim_options.emplace_back("token", std::to_string(place.token()));
  const std::vector<std::string> environment = MakeEnvironment({*shim, target.needed, options.shim_options}, &problem);
  if (!problem.empty()) return Complain(problem, kExitRunFailed);
  const ChildResult result = RunChild(options.program, environment);
  if (result.fork_error != 0 || result.exec_error != 0) return ReportStartFailure(options.program.front(), result);
  IgnoreBrokenPipes();
  NoteRunEnd(place.Files(), result.pid, result.wait_status);
  const int gate_status = ReportRun(options, target, place, output);
  const int program_status = StatusOf(result.wait_status);
  return options.has_gate && program_status == 0 ? gate_status : program_status;
}

}  // namespace fdaudit::analyzer
