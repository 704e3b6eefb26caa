// use-after-close: a read, write or the like failed with EBADF on a number that this process had closed, and nobody had
// opened since; or somebody had, and the kernel refused the call for what is there now. What programs call to learn
// whether a number is open is not recorded as a use at all (shim/families/ uses.cc).

#include <utility>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/judge/judge.h"

namespace fdaudit::analyzer {

void FindUsesAfterClose(Model& model, const CulpritJudge& judge, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (evidence->IsReported(i) || judge[i].history != History::kLate) continue;
    if (!proof.is_use() && !proof.is_misuse()) continue;
    // Whichever history is true, what was to be read or written is lost.
    Finding finding = BeginLate(model, judge[i], proof, Kind::kUseAfterClose, Severity::kError);
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kUsed, proof.record.act, proof.record.fd));
    finding.events.back().seen_through = judge[i].seen_through;
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
