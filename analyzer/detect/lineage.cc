#include "analyzer/detect/lineage.h"

namespace fdaudit::analyzer {
namespace {

/// Generations looked through for what was never touched since it was inherited.
constexpr int kMostGenerations = 64;

/// The life of `fd` in the ledger of `process` that was open at `stamp`.
std::optional<Original> LifeAt(const Model& model, ProcessIndex process, int fd, uint64_t stamp) {
  trace::Slot slot;
  if (!model.FindSlot(process, fd, &slot)) return std::nullopt;
  for (const uint32_t back : {0u, 1u}) {
    if (slot.head.count <= back) break;
    const trace::Incarnation& life = slot.lives[(slot.head.count - back) & 1];
    const bool closed_before = life.closed.stamp != 0 && life.closed.stamp < stamp;
    if (life.opened.stamp != 0 && life.opened.stamp <= stamp && !closed_before) return Original{process, fd, life};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Original> FindOriginal(const Model& model, ProcessIndex process, const trace::Incarnation& duplicate) {
  if (!IsDuplicate(duplicate)) return std::nullopt;
  const uint32_t file = model.processes()[process].file;
  // A duplicate that was inherited was made by the process that its opening names.
  ProcessIndex at = model.Find(file, duplicate.opened.image);
  uint64_t stamp = duplicate.opened.stamp;
  for (int i = 0; i < kMostGenerations && at != kNoProcess && model.processes()[at].file == file; ++i) {
    if (auto found = LifeAt(model, at, duplicate.related, stamp)) return found;
    stamp = model.processes()[at].started_stamp;
    at = model.processes()[at].parent;
  }
  return std::nullopt;
}

}  // namespace fdaudit::analyzer
