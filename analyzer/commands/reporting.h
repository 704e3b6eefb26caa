#pragma once

// From trace files to a written report: what `report` and `run` share.

#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/detect/standing.h"
#include "analyzer/model/model.h"
#include "analyzer/output/report.h"
#include "analyzer/symbols/perf_map.h"
#include "analyzer/symbols/symbolizer.h"

namespace fdaudit::analyzer {

class CommandLine;

struct ReportOptions {
  std::string format = "text";
  std::string output;  ///< file; empty or "-": a standard stream
  std::string sysroot;
  std::vector<std::string> debug_dirs;
  std::string source_root;
  std::vector<std::string> helpers;  ///< functions that open or close for others
  std::string ignore_before;         ///< checkpoint
  bool redact = false;
  bool all = false;  ///< all sessions whose traces lie in a directory, not the newest alone
};

/// Declares those that say how traces are read.
void AddTraceOptions(CommandLine* line, ReportOptions* options);
/// Declares all of the above.
void AddReportOptions(CommandLine* line, ReportOptions* options);
/// The names of one of them, which some commands describe otherwise.
inline constexpr const char* kFormatOption = "-f,--format";

/// Renders in options.format. `standing`: comes first in text, and is part of the JSON; may be null.
void WriteReport(const Report& report, const ReportOptions& options, bool color, const Sink& sink,
                 const Standing* standing = nullptr);

/// Empty where the format can be written; else what is wrong with it.
std::string FormatProblem(const std::string& format);

/// As the options want it.
std::shared_ptr<Symbolizer> MakeSymbolizer(const ReportOptions& options);

/// The folder that a trace file lies in, or that holds traces.
std::string FolderOf(const std::string& trace);

/// Traces in memory, with their symbolizer. Keeps the files open: they may be removed meanwhile.
class LoadedTraces {
 public:
  /// `paths` are trace files and directories of them. Throws TraceError. `symbolizer`: one that has read the modules
  /// before, for who loads the same traces again and again; null: a new one.
  LoadedTraces(const std::vector<std::string>& paths, const ReportOptions& options,
               std::shared_ptr<Symbolizer> symbolizer = nullptr);
  Model& model() { return *model_; }
  /// All that were found, also outside of `paths`.
  std::vector<std::string> FileNames() const;
  /// Finds and judges, and notes what the symbolizer missed. What the report points to lies here.
  Report MakeReport(const ReportOptions& options, const Policy& policy = {});
  /// What the traces know of where a process's threads stand.
  Standing Stand(const StoppedProcess& stopped);

 private:
  std::string NameCode(ProcessIndex process, uint64_t address);

  std::shared_ptr<Symbolizer> symbolizer_;
  std::map<ProcessIndex, PerfMap> perf_maps_;
  std::unique_ptr<Model> model_;
};

/// Where a report goes: a file, or a standard stream.
class ReportOutput {
 public:
  ReportOutput() = default;
  ReportOutput(const ReportOutput&) = delete;
  ReportOutput& operator=(const ReportOutput&) = delete;
  ~ReportOutput();

  /// Opens options.output, or takes `standard` where that is empty. What the file holds stays until Write(). Returns
  /// why it can't be written, a sentence; empty: it can. A trace is never overwritten.
  std::string Open(const ReportOptions& options, std::FILE* standard);
  /// Whether what is written will be seen in colors.
  bool wants_color() const;
  /// Has `write` give the whole text to a sink, in pieces or at once. False: reported on standard error.
  bool Write(const std::function<void(const Sink&)>& write, const ReportOptions& options);

 private:
  std::FILE* out_ = nullptr;
  bool is_file_ = false;
};

/// Writes what `write` gives, a report as JSON, to `file`, as what a gate knows from now on, and says so on standard
/// error. False: it can't be written, which was reported.
bool WriteBaseline(const std::string& file, size_t findings, const std::function<void(const Sink&)>& write);

}  // namespace fdaudit::analyzer
