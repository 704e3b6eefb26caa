#include "analyzer/detect/evidence.h"

#include <algorithm>
#include <set>
#include <utility>

#include "analyzer/detect/story.h"

namespace fdaudit::analyzer {
namespace {

using trace::FindingKind;
using trace::FindingRecord;

constexpr size_t kMostEvents = 12;  ///< of one story
constexpr int kShortestSweep = 3;   ///< calls; as of closes (shim/ledger/findings.h)

/// One call path that uses number after number, open or not, asks which ones are open.
bool IsLoopOverNumbers(const FindingRecord& record) {
  if (record.kind != FindingKind::kUnfoundedUse || HasLostPath(record.act)) return false;
  std::vector<int> fds(record.fds, record.fds + std::min(record.fd_count, trace::kMaxFindingFds));
  std::sort(fds.begin(), fds.end());
  int run = 1;
  for (size_t i = 1; i < fds.size() && run < kShortestSweep; ++i) run = fds[i] == fds[i - 1] + 1 ? run + 1 : 1;
  return run >= kShortestSweep;
}

}  // namespace

Evidence::Evidence(Model& model) : model_(model) {
  for (uint32_t file = 0; file < model.files().size(); ++file) {
    model.files()[file].ForEach<FindingRecord>(trace::RegionKind::kFindings,
                                               [&](uint64_t, const FindingRecord& record) {
                                                 const ProcessIndex process = model.Find(file, record.image);
                                                 if (record.kind != FindingKind::kNone && process != kNoProcess)
                                                   proofs_.push_back({process, record});
                                               });
  }
  std::set<std::pair<ProcessIndex, uint32_t>> asking;
  for (const Proof& proof : proofs_) {
    if (IsLoopOverNumbers(proof.record)) asking.insert({proof.process, proof.record.act.stack});
  }
  std::erase_if(proofs_, [&asking](const Proof& proof) {
    const bool is_use = proof.is_use() || proof.record.kind == FindingKind::kUnfoundedUse;
    return is_use && asking.contains({proof.process, proof.record.act.stack});
  });
  const auto when = [&model](const Proof& proof) {
    return model.Seconds(model.processes()[proof.process].file, proof.record.act.stamp);
  };
  std::stable_sort(proofs_.begin(), proofs_.end(),
                   [&when](const Proof& a, const Proof& b) { return when(a) < when(b); });
  Index();
}

void Evidence::Index() {
  reported_.assign(proofs_.size(), false);
  of_life_.clear();
  for (size_t i = 0; i < proofs_.size(); ++i) of_life_[KeyOf(proofs_[i])].push_back(i);
}

void Evidence::LeaveOutMadeRoom() {
  const auto is_by = [this](const Proof& proof, uint32_t stack) {
    const uint32_t file = model_.processes()[proof.process].file;
    trace::Act other = proof.record.act;
    other.stack = stack;
    return stack != trace::kNoIndex &&
           model_.paths().InSameFunction(model_.PathOf(file, proof.record.act), model_.PathOf(file, other));
  };
  const size_t left_out = std::erase_if(proofs_, [&is_by](const Proof& proof) {
    return proof.is_close() && (is_by(proof, proof.record.asked) || is_by(proof, proof.record.placed));
  });
  if (left_out != 0) Index();
}

Evidence::LifeKey Evidence::KeyOf(ProcessIndex process, int fd, const trace::Incarnation& life) {
  return {process, fd, life.opened.stamp, life.closed.stamp};
}

size_t Evidence::FindError(ProcessIndex process, int fd, const trace::Incarnation& life) const {
  const auto of_life = of_life_.find(KeyOf(process, fd, life));
  if (of_life == of_life_.end()) return size();
  const auto& all = of_life->second;
  const auto found = std::find_if(all.begin(), all.end(), [this](size_t index) { return proofs_[index].is_error(); });
  return found == all.end() ? size() : *found;
}

int Evidence::TakeErrorOf(ProcessIndex process, int fd, const trace::Incarnation& life) {
  const size_t index = FindError(process, fd, life);
  if (index == size()) return 0;
  reported_[index] = true;
  return proofs_[index].record.error;
}

void Evidence::Report(size_t index, Role close_role, Finding* finding) {
  reported_[index] = true;
  // A number that was never open has no life, and its closes have nothing in common.
  if (proofs_[index].last().opened.stamp == 0 && proofs_[index].last().closed.stamp == 0) return;
  const FindingRecord& deciding = proofs_[index].record;
  for (const size_t other : of_life_[KeyOf(proofs_[index])]) {
    const FindingRecord& record = proofs_[other].record;
    if (proofs_[other].is_error() && record.count <= deciding.count) {
      reported_[other] = true;
      finding->error = record.error;
      TakeIn(Kind::kCloseError, Severity::kWarning, finding);
    }
    // A record that speaks of more descriptors has a cause of its own.
    const bool belongs = (proofs_[other].is_close() || proofs_[other].is_use()) && record.count <= deciding.count;
    if (reported_[other] || !belongs) continue;
    reported_[other] = true;
    const Role role = proofs_[other].is_use() ? Role::kUsed : close_role;
    if (role == Role::kUsed) TakeIn(Kind::kUseAfterClose, Severity::kError, finding);
    if (finding->events.size() == kMostEvents) continue;
    StoryEvent event = EventOf(model_, FileOf(other), role, record.act, record.fd);
    const auto later = std::find_if(finding->events.begin(), finding->events.end(),
                                    [&event](const StoryEvent& earlier) { return earlier.time_s > event.time_s; });
    if (later - finding->events.begin() <= static_cast<std::ptrdiff_t>(finding->deciding)) ++finding->deciding;
    finding->events.insert(later, std::move(event));
  }
}

}  // namespace fdaudit::analyzer
