// collateral-close: a sweep (close_range, closefrom, a loop of closes over all numbers) closed a descriptor that
// other code had opened, and that code went on using or closing it. Where one function did both, it is a double-close
// or a use-after-close like any other. The opening may have been in the process that this one was forked from.

#include <map>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

using SweepKey = std::pair<ProcessIndex, uint64_t>;  // process, stamp of the sweep's first close

class CollateralCloses {
 public:
  CollateralCloses(Model& model, const DetectOptions& options, Evidence* evidence)
      : model_(model), options_(options), evidence_(*evidence) {}

  void Find(Grouping* out);

 private:
  bool IsCollateral(size_t index);
  bool IsForkOf(ProcessIndex process, uint32_t image) const;
  bool IsOwnCode(PathId path);
  Finding MakeFinding(size_t index);

  Model& model_;
  const DetectOptions& options_;
  Evidence& evidence_;
};

bool CollateralCloses::IsOwnCode(PathId path) {
  const Frame* frame = model_.paths().Location(path);
  return frame != nullptr && !frame->function.empty() && IsOwn(*frame, options_.source_root);
}

/// Nothing but forks lies between the two: both are the same program.
bool CollateralCloses::IsForkOf(ProcessIndex process, uint32_t image) const {
  const std::vector<Process>& processes = model_.processes();
  for (size_t steps = 0; process != kNoProcess && steps < processes.size(); ++steps) {
    const Process& forked = processes[process];
    if (forked.image == image) return true;
    if (!IsForked(forked)) return false;
    process = forked.parent;
  }
  return false;
}

bool CollateralCloses::IsCollateral(size_t index) {
  const Proof& proof = evidence_[index];
  const trace::Incarnation& life = proof.last();
  const bool was_swept = (life.closed.flags & (trace::kActRange | trace::kActSwept)) != 0;
  const bool is_inherited = (life.opened.flags & trace::kActInherited) != 0;
  const bool is_this_programs = life.opened.stamp != 0 && (!is_inherited || IsForkOf(proof.process, life.opened.image));
  if (!was_swept || !is_this_programs || (!proof.is_close() && !proof.is_use())) return false;
  const uint32_t file = evidence_.FileOf(index);
  const PathId opener = model_.PathOf(file, life.opened);
  const PathId sweeper = model_.PathOf(file, life.closed);
  const PathId failed = model_.PathOf(file, proof.record.act);
  return IsOwnCode(opener) && IsOwnCode(sweeper) && !model_.paths().InSameFunction(opener, sweeper) &&
         failed != kNoPath && !model_.paths().InSameFunction(failed, sweeper);
}

Finding CollateralCloses::MakeFinding(size_t index) {
  const Proof& proof = evidence_[index];
  const uint32_t file = evidence_.FileOf(index);
  Finding finding = BeginFinding(model_, proof, 0, Kind::kCollateralClose, Severity::kWarning);
  finding.deciding = finding.events.size();
  finding.events.push_back(EventOf(model_, file, Role::kClosed, proof.last().closed, proof.record.fd));
  const Role role = proof.is_use() ? Role::kUsed : Role::kOwnerCloseFailed;
  finding.events.push_back(EventOf(model_, file, role, proof.record.act, proof.record.fd));
  evidence_.Report(index, Role::kOwnerCloseFailed, &finding);
  return finding;
}

void CollateralCloses::Find(Grouping* out) {
  // One sweep is one cause, however many callers fail because of it.
  std::map<SweepKey, size_t> sweeps;
  std::vector<Finding> findings;
  for (size_t i = 0; i < evidence_.size(); ++i) {
    if (evidence_.IsReported(i) || !IsCollateral(i)) continue;
    const SweepKey sweep{evidence_[i].process, evidence_[i].last().closed.stamp};
    Finding finding = MakeFinding(i);
    const auto [known, is_new] = sweeps.try_emplace(sweep, findings.size());
    if (is_new) {
      findings.push_back(std::move(finding));
    } else {
      Merge(&findings[known->second], std::move(finding));
    }
  }
  for (Finding& finding : findings) out->Add(std::move(finding));
}

}  // namespace

void FindCollateralCloses(Model& model, const DetectOptions& options, Evidence* evidence, Grouping* out) {
  CollateralCloses(model, options, evidence).Find(out);
}

}  // namespace fdaudit::analyzer
