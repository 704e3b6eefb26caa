#include "analyzer/commands/inputs.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <system_error>
#include <tuple>
#include <utility>

#include "analyzer/trace/family.h"
#include "analyzer/trace/memory_place.h"
#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

/// Of what lies in a directory (from `first` on in `files`), the session that began last. Returns how many others there
/// were: earlier runs that recorded to the same place.
size_t KeepNewest(size_t first, std::vector<TraceFile>* files) {
  std::map<std::string, int64_t> starts;  // by family
  for (size_t i = first; i < files->size(); ++i) {
    const TraceFile& file = (*files)[i];
    const int64_t started = file.header().started_realtime_ns;
    const auto [known, is_new] = starts.try_emplace(FamilyName(file), started);
    if (!is_new) known->second = std::min(known->second, started);
  }
  if (starts.size() < 2) return 0;
  const auto newest =
      std::max_element(starts.begin(), starts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const auto begin = files->begin() + static_cast<std::ptrdiff_t>(first);
  const auto is_older = [&newest](const TraceFile& file) { return FamilyName(file) != newest->first; };
  files->erase(std::remove_if(begin, files->end(), is_older), files->end());
  return starts.size() - 1;
}

/// Whether a process that writes to the file may be alive.
bool IsWritten(const Model& model, const std::string& file) {
  return std::any_of(model.processes().begin(), model.processes().end(), [&](const Process& process) {
    const bool is_alive = process.end.kind == EndKind::kRunning || process.end.kind == EndKind::kUnknown;
    return is_alive && model.files()[process.file].name() == file;
  });
}

/// When the file's trace began.
int64_t StartOf(const Model& model, const std::string& file) {
  for (const TraceFile& one : model.files()) {
    if (one.name() == file) return one.header().started_realtime_ns;
  }
  return 0;
}

/// What no two recordings have in common, copies of one excepted.
auto IdentityOf(const TraceFile& file) {
  const trace::Header& header = file.header();
  return std::make_tuple(header.started_realtime_ns, FieldText(header.boot_id), FieldText(header.host),
                         header.pid_namespace, header.creator_pid, header.started.stamp, FieldText(header.family));
}

}  // namespace

Inputs ReadInputs(const std::vector<std::string>& paths) {
  Inputs inputs;
  for (const std::string& path : paths) {
    if (std::optional<Document> report = Document::ReadIfReport(path)) {
      inputs.reports.push_back(std::move(*report));
    } else {
      inputs.traces.push_back(path);
    }
  }
  return inputs;
}

Document MergeReports(std::vector<Document> reports) {
  std::stable_sort(reports.begin(), reports.end(), [](const Document& a, const Document& b) { return a < b; });
  const auto same = [](const Document& a, const Document& b) { return a.json() == b.json(); };
  reports.erase(std::unique(reports.begin(), reports.end(), same), reports.end());
  Document merged = std::move(reports.front());
  for (size_t i = 1; i < reports.size(); ++i) merged.Merge(std::move(reports[i]));
  return merged;
}

std::vector<TraceFile> OpenTraces(const std::vector<std::string>& paths, bool all, std::vector<std::string>* notes) {
  std::vector<TraceFile> files;
  for (const std::string& path : paths) {
    const size_t first = files.size();
    const std::vector<std::string> names = FindTraceFiles(path);
    const size_t before = files.size();
    for (const std::string& name : names) {
      try {
        files.push_back(TraceFile::Open(name));
      } catch (const TraceError& error) {
        const bool is_last = &name == &names.back();
        if (!error.is_unfinished() || (is_last && files.size() == before)) throw;
      }
    }
    std::error_code unknown;
    const size_t older = all || !std::filesystem::is_directory(path, unknown) ? 0 : KeepNewest(first, &files);
    if (older != 0) {
      notes->push_back(path + " holds " + std::to_string(older) + " older session" + (older == 1 ? "" : "s") +
                       ", not looked at here (--all)");
    }
  }
  return files;
}

void MoveEnded(const std::vector<std::string>& paths, const Model& model) {
  for (const std::string& path : paths) {
    for (const std::string& name : FindTraceFiles(path)) {
      try {
        const std::string place = ResolvePointer(name);
        if (place != name && !IsWritten(model, place)) MoveFromMemory(name, StartOf(model, place));
      } catch (const TraceError&) {
        // It was left out of the report, too.
      }
    }
  }
}

void OrderTraces(std::vector<TraceFile>* files) {
  std::sort(files->begin(), files->end(), [](const TraceFile& a, const TraceFile& b) {
    const auto first = IdentityOf(a), second = IdentityOf(b);
    if (first != second) return first < second;
    // Of a copy and what has been written since, the latter.
    if (a.header().latest.stamp != b.header().latest.stamp) return a.header().latest.stamp > b.header().latest.stamp;
    return a.name() < b.name();
  });
  const auto is_same = [](const TraceFile& a, const TraceFile& b) { return IdentityOf(a) == IdentityOf(b); };
  files->erase(std::unique(files->begin(), files->end(), is_same), files->end());
}

}  // namespace fdaudit::analyzer
