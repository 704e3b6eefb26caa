// close-error: close said that data may be lost (EIO, ENOSPC, EDQUOT), or that a signal came (EINTR). The number is
// closed in either case; a retry closes whatever has the number by then. A retry that failed is part of the story.

#include <cerrno>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {

void FindCloseErrors(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    const int error = proof.record.error;
    const bool matters = error == EIO || error == ENOSPC || error == EDQUOT || error == EINTR;
    if (proof.record.kind != trace::FindingKind::kCloseError || evidence->IsReported(i) || !matters) continue;
    Finding finding = BeginFinding(model, proof, 0, Kind::kCloseError, Severity::kWarning);
    finding.error = error;
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kClosed, proof.record.act, proof.record.fd));
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
