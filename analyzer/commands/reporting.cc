#include "analyzer/commands/reporting.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "analyzer/commands/command.h"
#include "analyzer/commands/inputs.h"
#include "analyzer/commands/options.h"
#include "analyzer/commands/settings.h"
#include "analyzer/output/document.h"
#include "analyzer/output/exports/exports.h"
#include "analyzer/output/standing.h"
#include "analyzer/target/elf_target.h"
#include "analyzer/trace/family.h"
#include "analyzer/trace/trace_error.h"
#include "analyzer/trace/trace_file.h"
#include "analyzer/viewer/page.h"

namespace fdaudit::analyzer {
namespace {

constexpr int kBareAddressBits = 43;
static_assert(trace::kFrameOffsetMask == (uint64_t{1} << kBareAddressBits) - 1);

constexpr const char* kFormats[] = {"text",   "json",     "html",   "sarif", "junit",   "github",
                                    "gitlab", "markdown", "folded", "pprof", "perfetto"};

/// Looked up as things are now. A relative path is left alone: whose directory it started from is not known.
trace::ExecProblem TargetProblem(const std::string& program) {
  const bool is_relative = !program.starts_with('/') && program.find('/') != std::string::npos;
  if (program.empty() || is_relative) return trace::ExecProblem::kNone;
  const TargetInfo info = InspectProgram(program);
  if (info.is_set_id) return trace::ExecProblem::kSetId;
  if (info.foreign_machine || info.foreign_libc) return trace::ExecProblem::kForeign;
  return info.is_elf && !info.is_dynamic && !info.problem.empty() ? trace::ExecProblem::kStatic
                                                                  : trace::ExecProblem::kNone;
}

bool WantsColor(std::FILE* out) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_color != nullptr && no_color[0] != '\0') return false;
  if (terminal != nullptr && strcmp(terminal, "dumb") == 0) return false;
  return isatty(fileno(out)) == 1;
}

/// Whether a program was started that should have made a trace file of its own, and none was found.
bool MissesFiles(const Model& model) {
  return std::any_of(model.processes().begin(), model.processes().end(), [](const Process& process) {
    return process.exec_problem == trace::ExecProblem::kTraceUnreachable;
  });
}

}  // namespace

void AddTraceOptions(CommandLine* line, ReportOptions* options) {
  line->Add({OptionOf("sysroot", &options->sysroot),
             OptionOf("debug-dir", &options->debug_dirs),
             {.names = "--redact",
              .target = &options->redact,
              .help = "hashes in place of arguments and of names that the program opened"}});
}

void AddReportOptions(CommandLine* line, ReportOptions* options) {
  line->Add({{.names = kFormatOption,
              .target = &options->format,
              .help = "text (default), json, html, sarif, junit, github, gitlab, markdown, folded, pprof or perfetto",
              .type = "FORMAT"},
             {.names = "-o,--output", .target = &options->output, .help = "write the report to FILE", .type = "FILE"}});
  AddTraceOptions(line, options);
  line->Add({OptionOf("source-root", &options->source_root),
             OptionOf("helper", &options->helpers),
             OptionOf("ignore-before", &options->ignore_before),
             {.names = "--all",
              .target = &options->all,
              .help = "all sessions whose traces lie in a directory (default: the newest)"}});
}

std::string FormatProblem(const std::string& format) {
  const std::vector<std::string> names(std::begin(kFormats), std::end(kFormats));
  if (std::find(names.begin(), names.end(), format) != names.end()) return "";
  const std::string meant = Closest(format, names);
  return "unknown format '" + format + "'" + (meant.empty() ? "" : ", did you mean '" + meant + "'?");
}

std::shared_ptr<Symbolizer> MakeSymbolizer(const ReportOptions& options) {
  return std::make_shared<Symbolizer>(Symbolizer::Options{options.sysroot, options.debug_dirs});
}

std::string FolderOf(const std::string& trace) {
  std::error_code error;
  if (std::filesystem::is_directory(trace, error)) return trace;
  const std::filesystem::path parent = std::filesystem::path(trace).parent_path();
  return parent.empty() ? "." : parent.string();
}

namespace {

/// What `fdaudit archive` has put beside the traces is looked at as well.
ReportOptions WithArchives(ReportOptions options, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    std::error_code error;
    const std::string folder = FolderOf(path);
    if (std::filesystem::is_directory(folder + "/.build-id", error)) options.debug_dirs.push_back(folder);
  }
  return options;
}

}  // namespace

LoadedTraces::LoadedTraces(const std::vector<std::string>& paths, const ReportOptions& options,
                           std::shared_ptr<Symbolizer> symbolizer)
    : symbolizer_(symbolizer != nullptr ? std::move(symbolizer) : MakeSymbolizer(WithArchives(options, paths))) {
  ModelOptions model_options;
  model_options.redact = options.redact;
  model_options.lookup = [symbolizer = symbolizer_.get()](const ModuleRef& module, uint64_t address) {
    return symbolizer->Lookup(module, address);
  };
  model_options.code_lookup = [this](ProcessIndex process, uint64_t address) { return NameCode(process, address); };
  std::map<std::string, trace::ExecProblem> looked_at;
  model_options.target_problem = [looked_at](const std::string& program) mutable {
    const auto [known, is_new] = looked_at.try_emplace(program);
    if (is_new) known->second = TargetProblem(program);
    return known->second;
  };
  std::vector<std::string> notes;
  std::vector<TraceFile> files = OpenTraces(paths, options.all, &notes);
  Relatives relatives = FindRelatives(files);
  std::move(relatives.files.begin(), relatives.files.end(), std::back_inserter(files));
  OrderTraces(&files);
  model_ = std::make_unique<Model>(std::move(files), std::move(model_options));
  for (std::string& note : notes) model_->AddNote(std::move(note));
  for (std::string& note : relatives.notes) model_->AddNote(std::move(note));
  MoveEnded(paths, *model_);
  if (!MissesFiles(*model_)) return;
  for (const std::string& directory : relatives.closed) {
    model_->AddNote("what was not audited may be recorded in " + directory);
  }
}

std::vector<std::string> LoadedTraces::FileNames() const {
  std::vector<std::string> names;
  for (const TraceFile& file : model_->files()) names.push_back(file.name());
  return names;
}

/// From the map that the process may have left in /tmp, if its pid counts here. An older process of that pid may have
/// left it as well, so it must have been written since this one began.
std::string LoadedTraces::NameCode(ProcessIndex index, uint64_t address) {
  const auto [known, is_new] = perf_maps_.try_emplace(index);
  if (is_new) {
    const Process& process = model_->processes()[index];
    const std::string path = "/tmp/perf-" + std::to_string(process.pid) + ".map";
    struct stat status = {};
    const double started_s = static_cast<double>(model_->session().started_realtime_ns) / 1e9 + process.started_s;
    if (ArePidsOfHere(model_->files()[process.file].header().boot_id, process.pid_namespace) &&
        stat(path.c_str(), &status) == 0 && status.st_mtime + 1 >= static_cast<time_t>(started_s)) {
      known->second.Load(path);
    }
  }
  // The trace keeps the lower 43 bits of an address; user space has 47. Taken where only one fits.
  std::string name;
  for (uint64_t high = 0; high < 16; ++high) {
    const std::string_view found = known->second.Find(address | high << kBareAddressBits);
    if (found.empty()) continue;
    if (!name.empty()) return "";
    name = found;
  }
  return name;
}

namespace {

/// What the session is about: its program, or the script that an installed interpreter runs.
std::string SubjectOf(const Model& model) {
  namespace fs = std::filesystem;
  if (model.processes().empty()) return "";
  const Process& first = model.processes().front();
  if (IsOwnPath(first.exe)) return first.exe;
  std::error_code error;
  for (size_t i = 1; i < first.argv.size(); ++i) {
    const fs::path path = (fs::path(first.cwd) / first.argv[i]).lexically_normal();
    if (!first.argv[i].starts_with('-') && fs::is_regular_file(path, error)) return path.string();
  }
  return first.exe;
}

/// Below what own code lies: as the user says, else the repository around the working directory. Empty: neither, or
/// what runs is no part of that repository, and not installed either.
std::string OwnRoot(const std::string& given, const Model& model) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!given.empty()) return fs::weakly_canonical(given, error).string();
  for (fs::path folder = fs::current_path(error); folder.has_relative_path(); folder = folder.parent_path()) {
    if (!fs::exists(folder / ".git", error)) continue;
    Frame subject;
    subject.module = SubjectOf(model);
    const bool is_elsewhere = IsOwn(subject, "") && !IsOwn(subject, folder.string());
    return is_elsewhere ? "" : folder.string();
  }
  return "";
}

}  // namespace

Report LoadedTraces::MakeReport(const ReportOptions& options, const Policy& policy) {
  Report report = fdaudit::analyzer::MakeReport(
      model_.get(), {OwnRoot(options.source_root, *model_), options.helpers, options.ignore_before}, policy);
  for (const ModuleRef& module : model_->paths().NamedModules()) {
    std::string problem = symbolizer_->Problem(module);
    if (!problem.empty()) model_->AddNote("no symbols for " + problem);
  }
  return report;
}

Standing LoadedTraces::Stand(const StoppedProcess& stopped) {
  return DescribeStanding(*model_, stopped, [this](const CodePlace& place) {
    std::vector<Frame> frames;
    if (BaseName(place.module) == "libfdaudit.so") return frames;  // between the program and libc
    std::vector<SymbolFrame> symbols;
    if (!place.module.empty()) symbols = symbolizer_->Lookup({place.module, {}}, place.offset);
    if (symbols.empty()) symbols.emplace_back();
    for (const SymbolFrame& symbol : symbols) {
      Frame frame{symbol.function, symbol.file, symbol.line,       place.module,
                  place.offset,    false,       symbol.is_inlined, false};
      frame.is_runtime = IsRuntime(frame);
      frames.push_back(std::move(frame));
    }
    return frames;
  });
}

void WriteReport(const Report& report, const ReportOptions& options, bool color, const Sink& sink,
                 const Standing* standing) {
  if (IsTraceFormat(options.format)) return sink(RenderExport(report, options.format));
  if (options.format == "text") {
    if (standing != nullptr) sink(RenderStanding(*report.model, *standing) + "\n");
    return sink(RenderText(report, color));
  }
  const bool is_page = options.format == "html";
  if (!is_page && standing == nullptr) return Render(report, options.format, {options.source_root}, sink);
  Document document(report, is_page ? kMostFindingsShown : SIZE_MAX);
  if (standing != nullptr) AddStanding(*report.model, *standing, &document);
  if (!is_page) return Render(document, options.format, {options.source_root}, sink);
  sink(RenderPage(document, &report, {options.source_root, !options.redact}));
}

ReportOutput::~ReportOutput() {
  if (is_file_ && out_ != nullptr) std::fclose(out_);
}

std::string ReportOutput::Open(const ReportOptions& options, std::FILE* standard) {
  is_file_ = !options.output.empty() && options.output != "-";
  out_ = options.output == "-" ? stdout : standard;
  if (!is_file_) return "";
  out_ = nullptr;
  if (IsTrace(options.output)) return options.output + " is a trace, and is not overwritten";
  const int fd = open(options.output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
  out_ = fd < 0 ? nullptr : fdopen(fd, "w");
  return out_ != nullptr ? "" : options.output + " cannot be written: " + strerror(errno);
}

bool ReportOutput::wants_color() const { return !is_file_ && WantsColor(out_); }

bool ReportOutput::Write(const std::function<void(const Sink&)>& write, const ReportOptions& options) {
  bool ok = !is_file_ || ftruncate(fileno(out_), 0) == 0 || errno == EINVAL;  // EINVAL: a pipe or device
  write([&](std::string_view text) { ok = ok && std::fwrite(text.data(), 1, text.size(), out_) == text.size(); });
  ok = (is_file_ ? std::fclose(out_) : std::fflush(out_)) == 0 && ok;
  out_ = is_file_ ? nullptr : out_;
  if (!ok) Complain((is_file_ ? options.output : "the report") + " cannot be written: " + strerror(errno), 0);
  return ok;
}

bool WriteBaseline(const std::string& file, size_t findings, const std::function<void(const Sink&)>& write) {
  ReportOptions options;
  options.format = "json";
  options.output = file;
  ReportOutput output;
  if (const std::string problem = output.Open(options, stdout); !problem.empty()) {
    Complain(problem, kExitUsage);
    return false;
  }
  if (!output.Write(write, options)) return false;
  std::fputs((std::to_string(findings) + " finding" + (findings == 1 ? " is" : "s are") +
              " known from now on: --baseline " + file + "\n")
                 .c_str(),
             stderr);
  return true;
}

}  // namespace fdaudit::analyzer
