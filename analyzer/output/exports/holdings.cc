#include "analyzer/output/exports/holdings.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "analyzer/detect/handed_over.h"

namespace fdaudit::analyzer {
namespace {

using Key = std::tuple<ProcessIndex, Origin, PathId, trace::FdKind>;
/// A process, and where it opened what leaked. What has no call path is told apart by the call.
using Source = std::tuple<ProcessIndex, PathId, std::string>;

Source SourceOf(ProcessIndex process, PathId path, const std::string& call) {
  return {process, path, path == kNoPath ? call : ""};
}

/// A finding keeps the numbers of its first hundred descriptors; by its call path all of them are found.
std::set<Source> LeakingSources(const Report& report) {
  std::set<Source> sources;
  for (const Finding& finding : report.findings) {
    if (finding.kind != Kind::kLeak || finding.severity == Severity::kNote) continue;
    const StoryEvent& opened = finding.events[finding.deciding];
    for (const ProcessIndex process : finding.processes) sources.insert(SourceOf(process, opened.path, opened.call));
  }
  return sources;
}

bool IsOpen(const trace::Slot& slot) {
  return slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kUnseen;
}

Origin OriginOf(const trace::Slot& slot) {
  const uint16_t flags = CurrentLife(slot).opened.flags;
  if ((flags & trace::kActInherited) != 0) return Origin::kInherited;
  const bool unseen = slot.head.state == trace::SlotState::kUnseen || (flags & trace::kActSeenAtEnd) != 0;
  return unseen ? Origin::kUnrecorded : Origin::kOpened;
}

}  // namespace

std::vector<Holding> HoldingsOf(const Report& report) {
  Model& model = *report.model;
  const std::set<Source> leaking = LeakingSources(report);
  const HandedOver handed_over(model);
  std::map<Key, Holding> holdings;
  std::vector<uint64_t> known(model.processes().size(), 0);
  const auto at = [&](ProcessIndex process, Origin origin, PathId path, trace::FdKind kind) -> Holding& {
    return holdings.try_emplace({process, origin, path, kind}, Holding{process, origin, path, kind}).first->second;
  };
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot) {
    const Process& process = model.processes()[index];
    if (process.end.kind == EndKind::kExec || !IsOpen(slot)) return;
    const trace::Incarnation& life = CurrentLife(slot);
    const Origin origin = OriginOf(slot);
    const PathId path = origin == Origin::kUnrecorded ? kNoPath : model.PathOf(process.file, life.opened);
    Holding& holding = at(index, origin, path, life.kind);
    ++holding.open;
    ++known[index];
    const bool may_leak = origin == Origin::kOpened && fd > 2 && slot.head.state == trace::SlotState::kOpen &&
                          !handed_over.Contains(index, life.opened.stamp);
    if (may_leak && leaking.count(SourceOf(index, path, model.CallOf(process.file, life.opened))) != 0)
      ++holding.leaked;
  });
  for (ProcessIndex i = 0; i < model.processes().size(); ++i) {
    const Process& process = model.processes()[i];
    if (process.end.kind == EndKind::kExec || process.open_at_end <= known[i]) continue;
    at(i, Origin::kUnrecorded, kNoPath, trace::FdKind::kUnknown).open += process.open_at_end - known[i];
  }
  std::vector<Holding> list;
  for (auto& [key, holding] : holdings) list.push_back(holding);
  return list;
}

const char* NameOf(Origin origin) {
  switch (origin) {
    case Origin::kInherited:
      return "[inherited]";
    case Origin::kUnrecorded:
      return "[unrecorded]";
    default:
      return "";
  }
}

}  // namespace fdaudit::analyzer
