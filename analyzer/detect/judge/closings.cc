#include "analyzer/detect/judge/closings.h"

#include <tuple>

namespace fdaudit::analyzer {
namespace {

constexpr uint16_t kNotPlain = trace::kActRange | trace::kActOverwrote | trace::kActSeenAtEnd;

/// Adds what the trace has counted. False where it has no counts (an older one, or a full one).
bool AddCounts(Model& model, Closings* closings) {
  constexpr trace::RegionKind kCounts = trace::RegionKind::kCloseCounts;
  for (const TraceFile& file : model.files()) {
    if (file.Count(kCounts) == 0 || file.Lost(kCounts) != 0) return false;
  }
  for (uint32_t file = 0; file < model.files().size(); ++file) {
    model.files()[file].ForEach<trace::CloseCount>(kCounts, [&](uint64_t, const trace::CloseCount& entry) {
      if (entry.key == 0 || entry.count == 0 || entry.count > UINT64_MAX / 2) return;
      const PathId opening = model.paths().Intern(file, static_cast<uint32_t>(entry.key >> 32));
      const PathId closing = model.paths().Intern(file, static_cast<uint32_t>(entry.key));
      if (opening != kNoPath && closing != kNoPath) (*closings)[{opening, closing}] += entry.count;
    });
  }
  return true;
}

/// Calls `visit(process, fd, life)` for every life that the ledger or a proof remembers.
template <typename Visit>
void ForEachLife(const Model& model, const std::vector<Proof>& proofs, Visit visit) {
  model.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
    for (const trace::Incarnation& life : slot.lives) visit(process, fd, life);
  });
  for (const Proof& proof : proofs) {
    for (const trace::Incarnation& life : proof.record.lives) visit(proof.process, proof.record.fd, life);
  }
}

void AddRemembered(Model& model, const std::vector<Proof>& proofs, Closings* closings) {
  std::set<std::tuple<ProcessIndex, int, uint64_t>> noted;  // the ledger and a proof may both have this life
  ForEachLife(model, proofs, [&](ProcessIndex process, int fd, const trace::Incarnation& life) {
    if (life.opened.stamp == 0 || life.closed.stamp == 0) return;
    if (!noted.insert({process, fd, life.opened.stamp}).second) return;
    const uint32_t file = model.processes()[process].file;
    const PathPair pair{model.PathOf(file, life.opened), model.PathOf(file, life.closed)};
    if (pair.first != kNoPath && pair.second != kNoPath) ++(*closings)[pair];
  });
}

}  // namespace

Closings ClosingsOf(Model& model, const std::vector<Proof>& proofs) {
  Closings closings;
  if (!AddCounts(model, &closings)) AddRemembered(model, proofs, &closings);
  // What a range or a dup2 closed says nothing about whose it was.
  std::set<PathId> sweeping;
  ForEachLife(model, proofs, [&](ProcessIndex process, int, const trace::Incarnation& life) {
    if ((life.closed.flags & kNotPlain) != 0)
      sweeping.insert(model.PathOf(model.processes()[process].file, life.closed));
  });
  std::erase_if(closings, [&sweeping](const auto& entry) { return sweeping.contains(entry.first.second); });
  return closings;
}

}  // namespace fdaudit::analyzer
