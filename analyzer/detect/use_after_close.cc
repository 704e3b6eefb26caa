// use-after-close: a read, write or the like failed with EBADF on a number that this process had closed, and nobody had
// opened since. What programs call to learn whether a number is open is not recorded as a use at all (shim/families/
// uses.cc).

#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {

void FindUsesAfterClose(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    // A close that nobody recorded is coverage, and no reason to accuse anybody.
    const bool is_whole = proof.last().closed.stamp != 0 && (proof.last().closed.flags & trace::kActSeenAtEnd) == 0;
    if (evidence->IsReported(i) || !proof.is_use() || !is_whole) continue;
    Finding finding = BeginFinding(model, proof, 0, Kind::kUseAfterClose, Severity::kError);
    AddClosing(model, proof.process, proof.last(), proof.record.fd, &finding.events);
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kUsed, proof.record.act, proof.record.fd));
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
