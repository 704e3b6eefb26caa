// leak, as a note: what nobody closes but Python's collector, time and again, in the midst of the run. It is closed
// when the collector gets there, which with a cycle, or with another interpreter, is too late.

#include <map>
#include <optional>
#include <string>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/program_end.h"
#include "analyzer/model/python_act.h"

namespace fdaudit::analyzer {
namespace {

constexpr uint64_t kTimeAndAgain = 8;

/// A life that shows it.
struct Example {
  ProcessIndex process;
  int fd;
  trace::Incarnation life;
  std::string target;
};

struct OpeningLine {
  uint64_t collected = 0;
  bool has_other_closers = false;
  std::optional<Example> example;
};

class CollectedFinder {
 public:
  explicit CollectedFinder(Model& model) : model_(model), program_end_(model) {}

  /// By the line that opened them.
  std::map<std::string, OpeningLine> Find() {
    model_.ForEachSlot([this](ProcessIndex index, int fd, const trace::Slot& slot) {
      for (const trace::Incarnation& life : slot.lives) NoteLife(index, fd, life, FieldText(slot.target));
    });
    if (!lines_.empty()) CountCloses();
    return std::move(lines_);
  }

 private:
  bool IsCollected(PathId closing) {
    const auto [known, is_new] = collected_.try_emplace(closing, false);
    if (is_new) known->second = PythonActOf(model_.paths().Frames(closing)).by_collector;
    return known->second;
  }

  std::string Line(PathId opening) { return LineOf(model_.paths(), opening, 0, ""); }

  void NoteLife(ProcessIndex index, int fd, const trace::Incarnation& life, const std::string& target) {
    const Process& process = model_.processes()[index];
    if (fd <= 2 || life.closed.stamp == 0 || life.opened.image != process.image || life.closed.image != process.image)
      return;
    const PathId closing = model_.PathOf(process.file, life.closed);
    if (!IsCollected(closing) || program_end_.Makes(closing) != ProgramEnd::Closes::kNot) return;
    std::optional<Example>& example = lines_[Line(model_.PathOf(process.file, life.opened))].example;
    if (!example || life.opened.stamp < example->life.opened.stamp) example = {index, fd, life, target};
  }

  void CountCloses() {
    constexpr trace::RegionKind kCounts = trace::RegionKind::kCloseCounts;
    for (uint32_t file = 0; file < model_.files().size(); ++file) {
      model_.files()[file].ForEach<trace::CloseCount>(kCounts, [&](uint64_t, const trace::CloseCount& entry) {
        if (entry.key == 0 || entry.count == 0 || entry.count > UINT64_MAX / 2) return;
        const PathId opening = model_.paths().Intern(file, static_cast<uint32_t>(entry.key >> 32));
        const PathId closing = model_.paths().Intern(file, static_cast<uint32_t>(entry.key));
        const auto line = lines_.find(Line(opening));
        if (line == lines_.end()) return;
        if (IsCollected(closing)) {
          line->second.collected += entry.count;
        } else {
          line->second.has_other_closers |= program_end_.Makes(closing) == ProgramEnd::Closes::kNot;
        }
      });
    }
  }

  Model& model_;
  ProgramEnd program_end_;
  std::map<PathId, bool> collected_;
  std::map<std::string, OpeningLine> lines_;
};

}  // namespace

void FindCollected(Model& model, const DetectOptions& options, Grouping* out) {
  for (const auto& [name, line] : CollectedFinder(model).Find()) {
    if (line.collected < kTimeAndAgain || line.has_other_closers || !line.example) continue;
    const Example& example = *line.example;
    Finding finding{Kind::kLeak, Severity::kNote};
    finding.collected = true;
    finding.processes = {example.process};
    finding.count = line.collected;
    finding.fds = {example.fd};
    finding.descriptors.push_back(NoteOf(model, example.process, example.fd, example.life, example.target));
    AddOpening(model, example.process, example.life, example.fd, &finding.events);
    finding.deciding = finding.events.size() - 1;
    AddClosing(model, example.process, example.life, example.fd, &finding.events);
    finding.events.back().is_background = true;
    // What others' code leaves to it is none of the reader's business; what leaks besides is reported as that.
    const Frame* place = model.paths().Location(finding.events[finding.deciding].path);
    const bool is_own = place != nullptr && IsOwn(*place, options.source_root);
    if (is_own && !out->Knows(finding)) out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
