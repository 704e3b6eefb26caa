// leak: opened by this process image and still open at its end, or closed by its end alone (program_end.h). Read from
// the ledger alone. Slots that the ledger saw vanish or appear (kGone, kUnseen) are coverage and never accused.

#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/handed_over.h"
#include "analyzer/detect/keeper.h"
#include "analyzer/detect/last_use.h"
#include "analyzer/detect/lineage.h"
#include "analyzer/detect/program_end.h"
#include "analyzer/model/registrations.h"
#include "analyzer/model/test_frames.h"

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
  UseCounts last_uses;
};

/// Where a call path was lost, every descriptor stands for itself: nothing ties it to others. So that a lost table does
/// not make a report of a million findings, those behind the first kMostLost of a process are one, which says no more
/// than that.
struct LeftKey {
  ProcessIndex process;
  uint32_t stack;
  uint32_t lost;                                       // of those without a stack: the how-manieth
  ProgramEnd::Closes held = ProgramEnd::Closes::kNot;  // until the end of the program, which closed it
  bool operator<(const LeftKey& other) const {
    return std::tie(process, stack, lost, held) < std::tie(other.process, other.stack, other.lost, other.held);
  }
};
constexpr uint32_t kMostLost = 100;

/// What one line left open in one process, over all call paths that lead to it: a leak in a recursion, or below callers
/// that vary, is the same leak.
struct LeftByLine {
  Left left;
  uint64_t paths = 0;
  bool is_known = true;  ///< false: the call path was lost
};
struct LineKey {
  ProcessIndex process;
  std::string line;
  ProgramEnd::Closes held;
  bool operator<(const LineKey& other) const {
    return std::tie(process, line, held) < std::tie(other.process, other.line, other.held);
  }
};
using LeftsByLine = std::map<LineKey, LeftByLine>;

/// The same over all processes.
struct Total {
  uint64_t calls = 0;
  uint64_t processes = 0;

  /// One call in each of many processes is not growth.
  bool Grows() const { return calls >= kGrowingCalls && calls > processes; }
};

/// Opened by the process itself, in a number whose state is `state`.
bool IsItsOwn(const Process& process, int fd, const trace::Slot& slot, trace::SlotState state) {
  if (fd <= 2 || slot.head.state != state) return false;
  if (process.end.kind == EndKind::kExec || (process.reasons & trace::kReasonSharedTable) != 0) return false;
  const trace::Act& opened = CurrentLife(slot).opened;
  return opened.stamp != 0 && opened.image == process.image &&
         (opened.flags & (trace::kActInherited | trace::kActSeenAtEnd | trace::kActLeftOpen)) == 0;
}

void Note(int fd, const trace::Slot& slot, uint64_t last_use, bool watched, Left* left) {
  const trace::Incarnation& life = CurrentLife(slot);
  ++left->count;
  left->fds.push_back(fd);
  if (last_use != 0) ++left->last_uses[last_use];
  left->calls.push_back(life.opened.stamp);
  if (!watched && left->unwatched.size() < kGrowingCalls) left->unwatched.insert(life.opened.stamp);
  if (left->first.size() == kMaxDescriptors) {
    const auto last = std::prev(left->first.end());
    if (std::tie(last->stamp, last->fd) < std::tie(life.opened.stamp, fd)) return;
    left->first.erase(last);
  }
  left->first.insert({life.opened.stamp, fd, life, FieldText(slot.target)});
}

void Join(Left more, Left* into) {
  into->count += more.count;
  into->fds.insert(into->fds.end(), more.fds.begin(), more.fds.end());
  into->calls.insert(into->calls.end(), more.calls.begin(), more.calls.end());
  for (const auto& [use, count] : more.last_uses) into->last_uses[use] += count;
  into->unwatched.merge(more.unwatched);
  into->first.merge(more.first);
  while (into->first.size() > kMaxDescriptors) into->first.erase(std::prev(into->first.end()));
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
  const Process& process = model.processes()[key.process];
  const PathId path = model.paths().Intern(process.file, key.stack, key.process);
  const std::string lost = fmt::format("{} {} {}", key.process, key.stack, key.lost);
  return {key.process, LineOf(model.paths(), path, 0, lost), key.held};
}

/// When the process ended, as far as is known, or the session's end where it goes on.
double EndOf(const Model& model, const Process& process, double last_s) {
  if (process.ended_by != trace::EndedBy::kNone) return process.ended_s;
  return process.end.kind == EndKind::kKilled ? last_s : model.session().duration_s;
}

Growth GrowthOf(const Model& model, ProcessIndex index, const LeftByLine& line, bool held) {
  const Process& process = model.processes()[index];
  const auto seconds = [&](uint64_t stamp) { return model.Seconds(process.file, stamp); };
  const std::vector<uint64_t>& calls = line.left.calls;
  Growth growth{calls.size(), seconds(calls.front()), seconds(calls.back())};
  growth.calls_here = calls.size();
  growth.paths_here = line.paths;
  growth.open = held ? process.peak : process.open_at_end;
  growth.limit = process.descriptor_limit;
  // Few calls, or some at the start and none since, make no rate.
  const double lasted = EndOf(model, process, growth.last_s) - growth.first_s;
  const bool is_spread = calls.size() >= kGrowingCalls && growth.last_s - growth.first_s >= lasted / 2;
  if (lasted > 0 && is_spread) growth.per_second = static_cast<double>(line.left.count) / lasted;
  return growth;
}

/// A process that serves: it has a listener of its own to the end, and has accepted connections or lets an epoll set
/// watch for them.
struct Serving {
  bool listens = false;
  bool watches = false;
  uint64_t first_accepted = UINT64_MAX;  // the stamp, as far as the ledger remembers
};
using ServingProcesses = std::map<ProcessIndex, Serving>;

/// A listener that is closed before the end belongs to a part of the program: a test, a transfer.
ServingProcesses FindServing(const Model& model, const Registrations& registrations) {
  ServingProcesses found;
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot) {
    for (const trace::Incarnation& life : slot.lives) {
      if (life.kind != trace::FdKind::kSocket || life.opened.stamp == 0) continue;
      const bool is_own = life.opened.image == model.processes()[index].image;
      if ((life.detail & trace::kSocketListening) != 0 && is_own && life.closed.stamp == 0) {
        found[index].listens = true;
        found[index].watches |= registrations.SetOf(index, fd).has_value();
      }
      if ((life.detail & trace::kSocketAccepted) != 0 && is_own)
        found[index].first_accepted = std::min(found[index].first_accepted, life.opened.stamp);
    }
  });
  return found;
}

/// What a server opened once before it served, and had as long as it lived: its listener, its log, its pool. A worker
/// has its listener from the process that forked it.
bool IsServersOwn(const Model& model, const ServingProcesses& serving, ProcessIndex index, const LeftByLine& line) {
  const auto known = serving.find(index);
  if (known == serving.end() || line.left.calls.size() != 1) return false;
  const Serving& serves = known->second;
  const bool is_worker = model.processes()[index].started_by == trace::StartedBy::kFork;
  const bool has_served = serves.watches || serves.first_accepted != UINT64_MAX;
  return (serves.listens || is_worker) && has_served && line.left.calls.front() < serves.first_accepted;
}

/// Four fifths of the table were in use, by which time a server refuses service soon.
bool CameNearLimit(const Process& process) {
  return process.descriptor_limit != 0 && process.peak * 5 >= process.descriptor_limit * 4;
}

bool WasOpenedInTest(Model& model, ProcessIndex index, const trace::Incarnation& life) {
  const Process& process = model.processes()[index];
  return !model.ContextAt(index, model.Seconds(process.file, life.opened.stamp)).empty() ||
         !TestOf(model.paths().Frames(model.PathOf(process.file, life.opened))).empty();
}

Finding MakeFinding(Model& model, const Registrations& registrations, ProcessIndex index, const LeftByLine& line,
                    bool grows, ProgramEnd::Closes held_by, bool is_servers) {
  const bool held = held_by != ProgramEnd::Closes::kNot;
  const Process& process = model.processes()[index];
  const Left& left = line.left;
  Finding finding{Kind::kLeak, Severity::kWarning};
  if (line.is_known && left.calls.size() > 1) finding.growth = GrowthOf(model, index, line, held);
  finding.growing = grows;
  finding.variants = line.paths;
  // What an event loop watches when the process is killed is at work, however much of it there is.
  const bool no_chance = process.end.kind != EndKind::kExit && left.unwatched.size() < kGrowingCalls;
  finding.severity = no_chance ? Severity::kNote : finding.growing ? Severity::kError : Severity::kWarning;
  const bool may_go_on = process.end.kind == EndKind::kRunning || process.end.kind == EndKind::kUnknown;
  finding.certainty = may_go_on ? Certainty::kLikely : Certainty::kProven;
  finding.processes.push_back(index);
  finding.count = left.count;
  finding.fds = left.fds;
  TidyFds(&finding.fds);
  finding.last_uses = LastUsesOf(model, index, left.last_uses);
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
  finding.held_until_exit = held;
  // What a test opened, and only the end of the program closed, the test has left.
  const bool is_tests = WasOpenedInTest(model, index, first.life);
  if (held && !is_tests)
    finding.severity = !grows || held_by == ProgramEnd::Closes::kWithOwner ? Severity::kNote
                       : CameNearLimit(process)                            ? Severity::kError
                                                                           : Severity::kWarning;
  if (is_kept || (is_servers && !grows && !is_tests)) finding.severity = Severity::kNote;
  if (held) {
    AddClosing(model, index, first.life, first.fd, &finding.events);
    finding.events.back().is_background = true;
    return finding;
  }
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
    LeftByLine& sum = sums[LineOf(model, key)];
    Join(std::move(left), &sum.left);
    sum.is_known = key.stack != trace::kNoIndex;
    ++sum.paths;
  }
  for (auto& [key, sum] : sums) {
    std::vector<uint64_t>& calls = sum.left.calls;
    std::sort(calls.begin(), calls.end());
    calls.erase(std::unique(calls.begin(), calls.end()), calls.end());
  }
  return sums;
}

}  // namespace

namespace {

/// What another finding tells of already, or what is not its opener's doing.
class OtherStories {
 public:
  explicit OtherStories(const Evidence& evidence) {
    for (const Proof& proof : evidence.proofs()) {
      for (const trace::Incarnation& life : proof.record.lives)
        lives_.insert({proof.process, proof.record.fd, life.opened.stamp});
    }
  }
  bool Tell(ProcessIndex process, int fd, const trace::Incarnation& life) const {
    return (life.flags & trace::kStaleHit) != 0 || lives_.contains({process, fd, life.opened.stamp});
  }

 private:
  std::set<std::tuple<ProcessIndex, int, uint64_t>> lives_;
};

}  // namespace

void FindLeaks(Model& model, const Evidence& evidence, Grouping* out) {
  const Registrations registrations(model);
  const HandedOver handed_over(model);
  ProgramEnd program_end(model);
  const OtherStories others(evidence);
  std::map<LeftKey, Left> lefts;
  std::map<ProcessIndex, uint32_t> lost;
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot, uint64_t last_use) {
    const Process& process = model.processes()[index];
    const bool is_open = IsItsOwn(process, fd, slot, trace::SlotState::kOpen);
    auto held = ProgramEnd::Closes::kNot;
    if (!is_open && IsItsOwn(process, fd, slot, trace::SlotState::kClosed) &&
        !others.Tell(index, fd, CurrentLife(slot)))
      held = program_end.Closed(process, CurrentLife(slot));
    if (!is_open && held == ProgramEnd::Closes::kNot) return;
    const trace::Act& opened = CurrentLife(slot).opened;
    if (is_open && handed_over.Contains(index, fd, CurrentLife(slot))) return;
    if (out->LeavesOut(index, model.Seconds(process.file, opened.stamp))) return;
    LeftKey key{index, opened.stack, 0, held};
    if (opened.stack == trace::kNoIndex) key.lost = std::min(++lost[index], kMostLost + 1);
    Note(fd, slot, last_use, registrations.SetOf(index, fd).has_value(), &lefts[key]);
  });
  const LeftsByLine by_line = SumByLine(model, &lefts);
  const ServingProcesses serving = FindServing(model, registrations);
  std::map<std::string, Total> totals;
  for (const auto& [key, line] : by_line) {
    Total& total = totals[key.line];
    total.calls += line.left.calls.size();
    ++total.processes;
  }
  for (const auto& [key, line] : by_line) {
    const EndKind end = model.processes()[key.process].end.kind;
    const bool grows = line.is_known && totals[key.line].Grows();
    // What a running process has open is its business, unless it grows.
    const bool may_go_on = end == EndKind::kRunning || end == EndKind::kUnknown;
    if (!may_go_on || grows || key.held != ProgramEnd::Closes::kNot)
      out->Add(MakeFinding(model, registrations, key.process, line, grows, key.held,
                           IsServersOwn(model, serving, key.process, line)));
  }
}

}  // namespace fdaudit::analyzer
