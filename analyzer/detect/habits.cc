#include "analyzer/detect/habits.h"

#include <set>
#include <tuple>

namespace fdaudit::analyzer {

Habits::Habits(Model& model, const Evidence& evidence) : model_(model) {
  if (evidence.size() == 0) return;  // nobody will ask
  const auto for_each_life = [&](const auto& visit) {
    model.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
      for (const trace::Incarnation& life : slot.lives) visit(process, fd, life);
    });
    for (size_t i = 0; i < evidence.size(); ++i) {
      for (const trace::Incarnation& life : evidence[i].record.lives)
        visit(evidence[i].process, evidence[i].record.fd, life);
    }
  };
  for_each_life([&](ProcessIndex process, int, const trace::Incarnation& life) {
    // What a range or a dup2 closed says nothing about whose it was.
    const bool is_plain = (life.closed.flags & (trace::kActRange | trace::kActOverwrote | trace::kActSeenAtEnd)) == 0;
    if (!is_plain) others_.insert(model.PathOf(model.processes()[process].file, life.closed));
  });
  if (ReadCounts()) return;
  std::set<std::tuple<ProcessIndex, int, uint64_t>> noted;  // the ledger and the evidence may both have this life
  for_each_life([&](ProcessIndex process, int fd, const trace::Incarnation& life) {
    if (life.opened.stamp == 0 || life.closed.stamp == 0) return;
    const uint32_t file = model.processes()[process].file;
    const bool is_new = noted.insert({process, fd, life.opened.stamp}).second;
    if (is_new) Note(model.PathOf(file, life.opened), model.PathOf(file, life.closed), 1);
  });
}

/// The trace counts what the ledger forgets. False where it has no counts (an older one, or a full one).
bool Habits::ReadCounts() {
  constexpr trace::RegionKind kCounts = trace::RegionKind::kCloseCounts;
  for (const TraceFile& file : model_.files()) {
    if (file.Count(kCounts) == 0 || file.Lost(kCounts) != 0) return false;
  }
  for (uint32_t file = 0; file < model_.files().size(); ++file) {
    model_.files()[file].ForEach<trace::CloseCount>(kCounts, [this, file](uint64_t, const trace::CloseCount& entry) {
      if (entry.key == 0 || entry.count == 0 || entry.count > UINT64_MAX / 2) return;
      const PathId opening = model_.paths().Intern(file, static_cast<uint32_t>(entry.key >> 32));
      const PathId closing = model_.paths().Intern(file, static_cast<uint32_t>(entry.key));
      Note(opening, closing, entry.count);
    });
  }
  return true;
}

FunctionId Habits::FunctionOf(uint32_t file, const trace::Act& act) { return FunctionOf(model_.PathOf(file, act)); }

FunctionId Habits::FunctionOf(PathId path) {
  const auto [known, is_new] = of_path_.try_emplace(path, 0);
  if (!is_new) return known->second;
  const Frame* frame = model_.paths().Location(path);
  return known->second = frame == nullptr ? 0 : IdOf(*frame);
}

FunctionId Habits::IdOf(const Frame& frame) {
  if (frame.function.empty()) return 0;
  const std::string key = frame.function + '\n' + frame.module + '\n' + frame.file;
  return ids_.try_emplace(key, static_cast<FunctionId>(ids_.size() + 1)).first->second;
}

std::vector<FunctionId> Habits::FunctionsOf(uint32_t file, const trace::Act& act) {
  std::vector<FunctionId> functions;
  for (const Frame& frame : model_.paths().Frames(model_.PathOf(file, act))) {
    if (!frame.is_runtime) functions.push_back(IdOf(frame));
  }
  return functions;
}

void Habits::Note(PathId opening, PathId closing, uint64_t count) {
  if (others_.contains(closing)) return;
  const FunctionId opener = FunctionOf(opening);
  const FunctionId closer = FunctionOf(closing);
  if (opener != 0 && closer != 0) pairs_[{opener, closer}] += count;
}

uint64_t Habits::Closed(FunctionId opener, FunctionId closer) const {
  const auto pair = pairs_.find({opener, closer});
  return pair == pairs_.end() ? 0 : pair->second;
}

uint64_t Habits::ClosedByOthers(FunctionId opener, FunctionId closer) const {
  uint64_t sum = 0;
  for (const auto& [pair, count] : pairs_) {
    if (pair.first == opener && pair.second != closer) sum += count;
  }
  return sum;
}

bool Habits::ClosesForOne(FunctionId closer) const {
  size_t regular = 0;
  size_t slips = 0;
  for (const auto& [pair, count] : pairs_) {
    if (pair.second != closer) continue;
    ++(count == 1 ? slips : regular);
  }
  return regular == 1 && slips == 1;
}

}  // namespace fdaudit::analyzer
