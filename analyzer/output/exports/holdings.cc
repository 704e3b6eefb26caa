#include "analyzer/output/exports/holdings.h"

#include <map>
#include <tuple>
#include <utility>

namespace fdaudit::analyzer {
namespace {

using Key = std::tuple<ProcessIndex, Origin, PathId, trace::FdKind>;

}  // namespace

std::vector<Holding> HoldingsOf(const Report& report) {
  Model& model = *report.model;
  const Leaked leaked(report);
  std::map<Key, Holding> holdings;
  std::vector<uint64_t> known(model.processes().size(), 0);
  const auto at = [&](ProcessIndex process, Origin origin, PathId path, trace::FdKind kind) -> Holding& {
    return holdings.try_emplace({process, origin, path, kind}, Holding{process, origin, path, kind}).first->second;
  };
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot) {
    const Process& process = model.processes()[index];
    if (!IsOpenAtEnd(process, slot)) return;
    const trace::Incarnation& life = CurrentLife(slot);
    const Origin origin = OriginOf(slot);
    const PathId path = origin == Origin::kUnrecorded ? kNoPath : model.PathOf(process.file, life.opened);
    Holding& holding = at(index, origin, path, life.kind);
    ++holding.open;
    ++known[index];
    if (leaked.Contains(index, fd, slot)) ++holding.leaked;
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

const char* FrameOf(Origin origin) {
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
