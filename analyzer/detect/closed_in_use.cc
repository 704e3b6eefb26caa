// closed-in-use: a number was closed while another thread was inside a call on it (read, accept, poll …). The kernel
// goes on with what that call had begun; but it may wait for ever, and its next call meets whatever has the number
// then. A note: some programs end their threads that way.

#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {

void FindClosedInUse(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (proof.record.kind != trace::FindingKind::kClosedInUse || evidence->IsReported(i)) continue;
    Finding finding = BeginFinding(model, proof, 0, Kind::kClosedInUse, Severity::kNote);
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kUsed, proof.record.act, proof.record.fd));
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kClosed, proof.last().closed, proof.record.fd));
    evidence->MarkReported(i);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
