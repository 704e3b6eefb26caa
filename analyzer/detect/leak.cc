// leak: opened by this process image and still open at its end. Read from the ledger alone. Slots that the ledger saw
// vanish or appear (kGone, kUnseen) are coverage and never accused.

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/handed_over.h"
#include "analyzer/detect/keeper.h"
#include "analyzer/detect/lineage.h"
#include "analyzer/model/registrations.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kGrowingCalls = 8;

struct OpenDescriptor {
  uint64_t stamp;
  int fd;
  trace::Incarnation life;
  std::string target;
  bool operator<(const OpenDescriptor& other) const { return std::tie(stamp, fd) < std::tie(other.stamp, other.fd); }
};

/// What one call path left open in one process.
struct Left {
  uint64_t count = 0;
  std::vector<int> fds;
  std::vector<uint64_t> calls;     // stamps; one call of pipe(2) opens two
  std::set<uint64_t> unwatched;    // those of them whose descriptors no live epoll set watches
  std::set<OpenDescriptor> first;  // the earliest kMaxDescriptors
};

/// Where a call path was lost, every descriptor stands for itself: nothing ties it to others. So that a lost table does
/// not make a report of a million findings, those behind the first kMostLost of a process are one, which says no more
/// than that.
struct LeftKey {
  ProcessIndex process;
  uint32_t stack;
  uint32_t lost;  // of those without a stack: the how-manieth
  auto operator<=>(const LeftKey&) const = default;
};
constexpr uint32_t kMostLost = 100;
using LineKey = std::tuple<ProcessIndex, std::string>;

/// What one line left open in one process, over all call paths that lead to it: a leak in a recursion, or below callers
/// that vary, is the same leak.
struct LeftByLine {
  uint64_t calls = 0;
  uint64_t paths = 0;
  uint64_t count = 0;
  uint64_t first = UINT64_MAX;  // stamps
};
using LeftsByLine = std::map<LineKey, LeftByLine>;

bool IsLeft(const Process& process, int fd, const trace::Slot& slot) {
  if (fd <= 2 || slot.head.state != trace::SlotState::kOpen) return false;
  if (process.end.kind == EndKind::kExec || (process.reasons & trace::kReasonSharedTable) != 0) return false;
  const trace::Act& opened = CurrentLife(slot).opened;
  return opened.stamp != 0 && opened.image == process.image &&
         (opened.flags & (trace::kActInherited | trace::kActSeenAtEnd | trace::kActLeftOpen)) == 0;
}

void Note(int fd, const trace::Slot& slot, bool watched, Left* left) {
  const trace::Incarnation& life = CurrentLife(slot);
  ++left->count;
  left->fds.push_back(fd);
  left->calls.push_back(life.opened.stamp);
  if (!watched && left->unwatched.size() < kGrowingCalls) left->unwatched.insert(life.opened.stamp);
  if (left->first.size() == kMaxDescriptors) {
    const auto last = std::prev(left->first.end());
    if (std::tie(last->stamp, last->fd) < std::tie(life.opened.stamp, fd)) return;
    left->first.erase(last);
  }
  left->first.insert({life.opened.stamp, fd, life, FieldText(slot.target)});
}

DescriptorNote NoteOfOpen(const Model& model, const Registrations& registrations, ProcessIndex process,
                          const OpenDescriptor& open) {
  DescriptorNote note = NoteOf(model, process, open.fd, open.life, open.target);
  note.registered_in = registrations.SetOf(process, open.fd).value_or(-1);
  const std::string watches = registrations.WhatWatches(process, open.fd);
  if (!watches.empty()) note.target = watches;
  return note;
}

LineKey LineOf(Model& model, const LeftKey& key) {
  const ProcessIndex index = key.process;
  const Process& process = model.processes()[index];
  const PathId path = model.paths().Intern(process.file, key.stack, process.pid);
  const Frame* frame = model.paths().Location(path);
  if (frame == nullptr) return {index, fmt::format("{} {}", key.stack, key.lost)};
  const bool is_named = !frame->file.empty() && frame->line > 0;
  return {index, is_named ? fmt::format("{} {}:{}", frame->function, frame->file, frame->line)
                          : fmt::format("{} {:x}", frame->module, frame->offset)};
}

/// When the process ended, as far as is known, or the session's end where it goes on.
double EndOf(const Model& model, const Process& process, double last_s) {
  if (process.ended_by != trace::EndedBy::kNone) return process.ended_s;
  return process.end.kind == EndKind::kKilled ? last_s : model.session().duration_s;
}

Growth GrowthOf(const Model& model, ProcessIndex index, const Left& left, const LeftByLine& line) {
  const Process& process = model.processes()[index];
  const auto seconds = [&](uint64_t stamp) { return model.Seconds(process.file, stamp); };
  Growth growth{left.calls.size(), seconds(left.calls.front()), seconds(left.calls.back())};
  growth.calls_here = line.calls;
  growth.paths_here = line.paths;
  growth.open = process.open_at_end;
  growth.limit = process.descriptor_limit;
  const double lasted = EndOf(model, process, growth.last_s) - seconds(line.first);
  if (lasted > 0) growth.per_second = static_cast<double>(line.count) / lasted;
  return growth;
}

bool Grows(const LeftKey& key, const Left& left) {
  return key.stack != trace::kNoIndex && left.calls.size() >= kGrowingCalls;
}

Finding MakeFinding(Model& model, const Registrations& registrations, const LeftKey& key, Left left,
                    const LeftByLine& line) {
  const ProcessIndex index = key.process;
  const Process& process = model.processes()[index];
  Finding finding{Kind::kLeak, Severity::kWarning};
  const bool is_known = key.stack != trace::kNoIndex;
  if (is_known && line.calls > 1) finding.growth = GrowthOf(model, index, left, line);
  finding.growing = Grows(key, left);
  // What an event loop watches when the process is killed is at work, however much of it there is.
  const bool no_chance = process.end.kind != EndKind::kExit && left.unwatched.size() < kGrowingCalls;
  finding.severity = no_chance ? Severity::kNote : finding.growing ? Severity::kError : Severity::kWarning;
  const bool may_go_on = process.end.kind == EndKind::kRunning || process.end.kind == EndKind::kUnknown;
  finding.certainty = may_go_on ? Certainty::kLikely : Certainty::kProven;
  finding.processes.push_back(index);
  finding.count = left.count;
  finding.fds = std::move(left.fds);
  TidyFds(&finding.fds);
  for (const OpenDescriptor& open : left.first) {
    finding.descriptors.push_back(NoteOfOpen(model, registrations, index, open));
  }
  const OpenDescriptor& first = *left.first.begin();
  AddOpening(model, index, first.life, first.fd, &finding.events);
  finding.deciding = finding.events.size() - 1;
  const Keeper keeper = KeeperOf(model, first.life, first.target, finding.events[finding.deciding]);
  finding.keeper = keeper.who;
  if (keeper.may_be_many) finding.growing = false;
  const bool is_kept = !finding.keeper.empty() && !finding.growing;
  finding.one_time = is_kept && !keeper.may_be_many;
  if (is_kept) finding.severity = Severity::kNote;
  // Its original's owner did its part, and the duplicate has none.
  const std::optional<Original> original = FindOriginal(model, index, first.life);
  if (original && original->life.closed.stamp != 0) {
    AddClosing(model, original->process, original->life, original->fd, &finding.events);
    for (size_t i = finding.deciding + 1; i < finding.events.size(); ++i) finding.events[i].is_background = true;
  }
  return finding;
}

LeftsByLine SumByLine(Model& model, std::map<LeftKey, Left>* lefts) {
  LeftsByLine sums;
  for (auto& [key, left] : *lefts) {
    std::sort(left.calls.begin(), left.calls.end());
    left.calls.erase(std::unique(left.calls.begin(), left.calls.end()), left.calls.end());
    LeftByLine& sum = sums[LineOf(model, key)];
    sum.calls += left.calls.size();
    sum.count += left.count;
    sum.first = std::min(sum.first, left.calls.front());
    ++sum.paths;
  }
  return sums;
}

}  // namespace

void FindLeaks(Model& model, Grouping* out) {
  const Registrations registrations(model);
  const HandedOver handed_over(model);
  std::map<LeftKey, Left> lefts;
  std::map<ProcessIndex, uint32_t> lost;
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot) {
    if (!IsLeft(model.processes()[index], fd, slot)) return;
    const trace::Act& opened = CurrentLife(slot).opened;
    if (handed_over.Contains(index, opened.stamp)) return;
    if (out->LeavesOut(index, model.Seconds(model.processes()[index].file, opened.stamp))) return;
    LeftKey key{index, opened.stack, 0};
    if (opened.stack == trace::kNoIndex) key.lost = std::min(++lost[index], kMostLost + 1);
    Note(fd, slot, registrations.SetOf(index, fd).has_value(), &lefts[key]);
  });
  const LeftsByLine by_line = SumByLine(model, &lefts);
  for (auto& [key, left] : lefts) {
    const EndKind end = model.processes()[key.process].end.kind;
    // What a running process has open is its business, unless it grows.
    const bool may_go_on = end == EndKind::kRunning || end == EndKind::kUnknown;
    if (may_go_on && !Grows(key, left)) continue;
    out->Add(MakeFinding(model, registrations, key, std::move(left), by_line.at(LineOf(model, key))));
  }
}

}  // namespace fdaudit::analyzer
