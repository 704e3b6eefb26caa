#include "analyzer/detect/habits.h"

#include <set>
#include <tuple>

namespace fdaudit::analyzer {

Habits::Habits(Model& model, const Evidence& evidence) : model_(model) {
  if (evidence.size() == 0) return;                         // nobody will ask
  std::set<std::tuple<ProcessIndex, int, uint64_t>> noted;  // the ledger and the evidence may tell the same life
  const auto note = [&](ProcessIndex process, int fd, const trace::Incarnation& life) {
    if (life.opened.stamp == 0 || life.closed.stamp == 0) return;
    if (noted.insert({process, fd, life.opened.stamp}).second) Note(model.processes()[process].file, life);
  };
  model.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
    for (const trace::Incarnation& life : slot.lives) note(process, fd, life);
  });
  for (size_t i = 0; i < evidence.size(); ++i) {
    for (const trace::Incarnation& life : evidence[i].record.lives)
      note(evidence[i].process, evidence[i].record.fd, life);
  }
}

FunctionId Habits::FunctionOf(uint32_t file, const trace::Act& act) {
  const PathId path = model_.PathOf(file, act);
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

void Habits::Note(uint32_t file, const trace::Incarnation& life) {
  // What a range or a dup2 took away says nothing about whose it was.
  if ((life.closed.flags & (trace::kActRange | trace::kActOverwrote | trace::kActSeenAtEnd)) != 0) return;
  const FunctionId opener = FunctionOf(file, life.opened);
  const FunctionId closer = FunctionOf(file, life.closed);
  if (opener != 0 && closer != 0) ++pairs_[{opener, closer}];
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
