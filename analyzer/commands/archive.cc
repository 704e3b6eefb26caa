// fdaudit archive: a trace that brings its symbols along.

#include "analyzer/commands/archive.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "analyzer/commands/command.h"
#include "analyzer/commands/options.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

namespace fs = std::filesystem;

/// The file that says most of a module: separate debug information, else the module itself. Empty: there is none, or
/// another build lies there by now.
std::string SourceOf(const ModuleRef& module, const ReportOptions& options, Symbolizer* symbolizer) {
  std::error_code error;
  std::vector<std::string> debug_dirs = options.debug_dirs;
  debug_dirs.push_back(options.sysroot + "/usr/lib/debug");
  for (const std::string& dir : debug_dirs) {
    std::string path = BuildIdPath(dir, module.build_id);
    if (fs::is_regular_file(path, error)) return path;
  }
  const std::string path = options.sysroot + module.path;
  return symbolizer->Problem(module).empty() && fs::is_regular_file(path, error) ? path : "";
}

}  // namespace

std::string ArchiveSymbols(LoadedTraces* loaded, const ReportOptions& options, const std::string& folder) {
  const std::shared_ptr<Symbolizer> symbolizer = MakeSymbolizer(options);
  uint64_t copied = 0;
  uint64_t present = 0;
  uint64_t bytes = 0;
  for (const ModuleRef& module : loaded->model().paths().Modules()) {
    if (module.build_id.size() < 2 || !module.path.starts_with('/')) continue;
    std::error_code error;
    const fs::path target = BuildIdPath(folder, module.build_id);
    if (fs::exists(target, error)) {
      ++present;
      continue;
    }
    const std::string source = SourceOf(module, options, symbolizer.get());
    if (source.empty()) {
      Complain(module.path + " is not archived: it is gone, or another build took its place", 0);
      continue;
    }
    // Whole or not at all: another run may archive to the same folder. The folder may be another user's, who has laid a
    // link there: a file that exists is not written to.
    const fs::path unfinished = fmt::format("{}.{}.new", target.string(), getpid());
    fs::create_directories(target.parent_path(), error);
    if (!error) fs::remove(unfinished, error);
    if (!error) fs::copy_file(source, unfinished, fs::copy_options::none, error);
    if (!error) fs::rename(unfinished, target, error);
    if (error) {
      Complain(source + " cannot be copied to " + target.string() + ": " + error.message(), 0);
      continue;
    }
    ++copied;
    bytes += fs::file_size(target, error);
  }
  return fmt::format("{} file{} ({:.1f} MB) archived in {}{}", copied, copied == 1 ? "" : "s",
                     static_cast<double>(bytes) / 1e6, (fs::path(folder) / ".build-id").string(),
                     present == 0 ? "" : fmt::format("; {} there already", present));
}

int ArchiveCommand(int argc, char** argv) {
  CommandLine line(
      "Copies the programs and libraries of a trace, or their separate debug information, beside it (.build-id), so\n"
      "that its reports have names after a rebuild, and on other machines.",
      "fdaudit archive");
  ReportOptions options;
  std::vector<std::string> traces;
  AddTraceOptions(&line, &options);
  line.Add({{.names = "TRACE", .target = &traces, .help = "trace file or directory", .is_required = true}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  options.all = true;
  try {
    for (const std::string& trace : traces) {
      LoadedTraces loaded({trace}, options);
      fmt::print("{}\n", ArchiveSymbols(&loaded, options, FolderOf(trace)));
    }
    return kExitOk;
  } catch (const TraceError& error) {
    return Complain(error.what(), kExitUnreadable);
  }
}

}  // namespace fdaudit::analyzer
