#include "analyzer/detect/table_at.h"

#include <set>

#include "analyzer/detect/lineage.h"

namespace fdaudit::analyzer {
namespace {

constexpr int kMostGenerations = 8;

bool IsPaired(const trace::Incarnation& life) {
  return life.kind == trace::FdKind::kPipe ||
         (life.kind == trace::FdKind::kSocket && (life.detail & trace::kSocketPaired) != 0);
}

}  // namespace

bool WasThere(const Process& process, double moment) {
  if (process.started_s > moment || process.end.kind == EndKind::kExec) return false;
  return process.ended_by == trace::EndedBy::kNone || process.ended_s >= moment;
}

std::optional<HeldDescriptor> TableAt::Find(ProcessIndex process, int fd) const {
  const ProcessIndex asked = process;
  double moment = moment_;
  for (int generation = 0; generation < kMostGenerations; ++generation) {
    const Process& owner = model_.processes()[process];
    trace::Slot slot;
    if (model_.FindSlot(process, fd, &slot)) {
      for (const uint32_t back : {0u, 1u}) {
        if (slot.head.count <= back) break;
        const trace::Incarnation& life = slot.lives[(slot.head.count - back) & 1];
        const bool is_open = back == 0 && slot.head.state == trace::SlotState::kOpen;
        const bool began = life.opened.stamp != 0 && model_.Seconds(owner.file, life.opened.stamp) <= moment;
        const bool went_on =
            is_open || (life.closed.stamp != 0 && model_.Seconds(owner.file, life.closed.stamp) > moment);
        if (began && went_on) return HeldDescriptor{asked, fd, life, back == 0 ? FieldText(slot.target) : ""};
      }
      return std::nullopt;
    }
    const bool goes_back = IsForked(owner) && !owner.ledger_released && owner.parent != kNoProcess &&
                           model_.processes()[owner.parent].file == owner.file;
    if (!goes_back) return std::nullopt;
    moment = owner.started_s;
    process = owner.parent;
  }
  return std::nullopt;
}

std::optional<TableAt::End> TableAt::EndOf(const HeldDescriptor& held) const {
  trace::Incarnation life = held.life;
  ProcessIndex process = held.process;
  for (int i = 0; i < kMostGenerations && IsDuplicate(life); ++i) {
    const std::optional<Original> original = FindOriginal(model_, process, life);
    if (!original) return std::nullopt;
    process = original->process;
    life = original->life;
  }
  if (IsDuplicate(life) || !IsPaired(life)) return std::nullopt;
  return End{life.opened.stamp, life.opened.image, life.related};
}

/// Where an end of a pipe or pair may be, in whatever process.
std::vector<int> TableAt::NumbersEverPaired() const {
  std::set<int> numbers;
  model_.ForEachSlot([&numbers](ProcessIndex, int fd, const trace::Slot& slot) {
    if (IsPaired(slot.lives[0]) || IsPaired(slot.lives[1])) numbers.insert(fd);
  });
  return {numbers.begin(), numbers.end()};
}

void TableAt::FindEnds() {
  has_ends_ = true;
  const std::vector<int> numbers = NumbersEverPaired();
  for (ProcessIndex i = 0; i < model_.processes().size(); ++i) {
    const Process& process = model_.processes()[i];
    if (!WasThere(process, moment_)) continue;
    for (const int fd : numbers) {
      std::optional<HeldDescriptor> held = Find(i, fd);
      const std::optional<End> end = held ? EndOf(*held) : std::nullopt;
      if (end) ends_[{process.file, end->stamp, end->image}].emplace_back(*end, *std::move(held));
    }
  }
}

std::vector<HeldDescriptor> TableAt::HoldersOfOtherEnd(const HeldDescriptor& end) {
  std::vector<HeldDescriptor> holders;
  const std::optional<End> mine = EndOf(end);
  if (!mine) return holders;
  if (!has_ends_) FindEnds();
  for (const auto& [theirs, held] : ends_[{model_.processes()[end.process].file, mine->stamp, mine->image}]) {
    if (theirs.partner != mine->partner) holders.push_back(held);
  }
  return holders;
}

}  // namespace fdaudit::analyzer
