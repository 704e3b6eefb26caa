#include "analyzer/detect/siblings.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "analyzer/detect/program_end.h"

namespace fdaudit::analyzer {
namespace {

/// What was opened by one call path, over all processes.
struct Opened {
  uint64_t open = 0;                  // still, or not known to be closed
  std::map<PathId, uint64_t> closed;  // by the call path that did it
};

class SiblingFinder {
 public:
  explicit SiblingFinder(Model& model) : model_(model), program_end_(model) {
    ReadCounts();
    CountOpen();
    NoteWhereClosed();
  }

  std::optional<Siblings> Of(PathId opening);

 private:
  void ReadCounts();
  void CountOpen();
  Siblings Sum(Siblings::Of of, const std::vector<const Opened*>& all);
  const Siblings* OfTheSameLine(PathId opening);
  void NoteWhereClosed();

  Model& model_;
  ProgramEnd program_end_;
  bool is_recorded_ = true;
  bool is_complete_ = true;
  std::map<PathId, Opened> opened_;

  /// The address of a call.
  using Line = std::pair<std::string, uint64_t>;
  std::set<Line> closed_lines_;       // on the paths of which some were closed
  std::map<Line, Siblings> by_line_;  // as far as asked for
};

void SiblingFinder::ReadCounts() {
  constexpr trace::RegionKind kCounts = trace::RegionKind::kCloseCounts;
  for (uint32_t file = 0; file < model_.files().size(); ++file) {
    is_recorded_ = is_recorded_ && model_.files()[file].Count(kCounts) != 0;
    is_complete_ = is_complete_ && model_.files()[file].Lost(kCounts) == 0;
    model_.files()[file].ForEach<trace::CloseCount>(kCounts, [this, file](uint64_t, const trace::CloseCount& entry) {
      // A writer may have been killed between the two, and another between a close and its taking back.
      if (entry.key == 0 || entry.count == 0 || entry.count > UINT64_MAX / 2) return;
      const PathId opening = model_.paths().Intern(file, static_cast<uint32_t>(entry.key >> 32));
      const PathId closing = model_.paths().Intern(file, static_cast<uint32_t>(entry.key));
      if (opening != kNoPath && closing != kNoPath) opened_[opening].closed[closing] += entry.count;
    });
  }
}

void SiblingFinder::CountOpen() {
  model_.ForEachSlot([this](ProcessIndex index, int, const trace::Slot& slot) {
    const Process& process = model_.processes()[index];
    const trace::Act& act = CurrentLife(slot).opened;
    const bool is_own = act.stamp != 0 && act.image == process.image && (act.flags & trace::kActInherited) == 0;
    const bool is_open = slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kGone;
    if (is_own && is_open) ++opened_[model_.PathOf(process.file, act)].open;
  });
}

/// What the end of the program closed was not closed where it should be.
Siblings SiblingFinder::Sum(Siblings::Of of, const std::vector<const Opened*>& all) {
  Siblings siblings;
  siblings.of = of;
  siblings.is_complete = is_complete_;
  std::map<PathId, uint64_t> closers;
  for (const Opened* one : all) {
    siblings.opened += one->open;
    for (const auto& [path, count] : one->closed) {
      siblings.opened += count;
      if (program_end_.Makes(path) != ProgramEnd::Closes::kNot) continue;
      closers[path] += count;
      siblings.closed += count;
    }
  }
  for (const auto& [path, count] : closers) siblings.closers.push_back({path, count});
  // Numbers of paths are by the place in a hash table: equal counts are listed in the order of the calls' addresses.
  const auto address = [this](PathId path) {
    const std::vector<Frame> frames = model_.paths().RawFrames(path);
    return frames.empty() ? 0 : frames.front().offset;
  };
  std::stable_sort(siblings.closers.begin(), siblings.closers.end(), [&address](const auto& a, const auto& b) {
    return a.count != b.count ? a.count > b.count : address(a.path) < address(b.path);
  });
  return siblings;
}

void SiblingFinder::NoteWhereClosed() {
  for (const auto& [path, opened] : opened_) {
    if (opened.closed.empty()) continue;
    for (const Frame& frame : model_.paths().RawFrames(path)) closed_lines_.insert({frame.module, frame.offset});
  }
}

/// By the address of the call, which is cheap: no other path has to be given names. Most lines have no path of which
/// anything was closed, and there is nothing to add up.
const Siblings* SiblingFinder::OfTheSameLine(PathId opening) {
  const Frame* frame = model_.paths().Location(opening);
  if (frame == nullptr || frame->is_python) return nullptr;
  const Line line{frame->module, frame->offset};
  if (closed_lines_.count(line) == 0) return nullptr;
  const auto [known, is_new] = by_line_.try_emplace(line);
  if (!is_new) return &known->second;
  std::vector<const Opened*> all;
  for (const auto& [path, opened] : opened_) {
    const std::vector<Frame> frames = model_.paths().RawFrames(path);
    const bool same = std::any_of(frames.begin(), frames.end(), [&line](const Frame& raw) {
      return raw.offset == line.second && raw.module == line.first;
    });
    if (same) all.push_back(&opened);
  }
  return &(known->second = Sum(Siblings::Of::kLine, all));
}

std::optional<Siblings> SiblingFinder::Of(PathId opening) {
  if (!is_recorded_ || opening == kNoPath || model_.paths().IsOfOneProcess(opening)) return std::nullopt;
  Siblings siblings = Sum(Siblings::Of::kPath, {&opened_[opening]});
  if (siblings.closed == 0) {
    const Siblings* of_line = OfTheSameLine(opening);
    if (of_line != nullptr && of_line->closed != 0) return *of_line;
  }
  return siblings;
}

}  // namespace

void AddSiblings(Model& model, std::vector<Finding>* findings) {
  const auto is_leak = [](const Finding& finding) { return finding.kind == Kind::kLeak; };
  if (std::none_of(findings->begin(), findings->end(), is_leak)) return;
  SiblingFinder finder(model);
  for (Finding& finding : *findings) {
    if (is_leak(finding)) finding.siblings = finder.Of(finding.events[finding.deciding].path);
  }
}

}  // namespace fdaudit::analyzer
