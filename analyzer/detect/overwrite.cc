// overwrite: dup2 or dup3 closed a live descriptor (3 or above) that other code had opened, and that code went on: it
// closed the number, which is another's by then. The shim notes the close of what a dup2 had put over something else;
// here it is asked whose code did what.

#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

/// The function that had opened the life before closes the number, and the dup2 was another's.
bool IsOverwrite(Model& model, const Proof& proof, uint32_t file) {
  const trace::Act& closed = proof.last().closed;
  const PathId owner = model.PathOf(file, proof.before().opened);
  const PathId overwriter = model.PathOf(file, proof.before().closed);
  return overwriter != kNoPath && model.paths().InSameFunction(owner, model.PathOf(file, closed)) &&
         !model.paths().InSameFunction(owner, overwriter);
}

}  // namespace

void FindOverwrites(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    const uint32_t file = evidence->FileOf(i);
    if (proof.record.kind != trace::FindingKind::kOverwriteClosed || evidence->IsReported(i)) continue;
    if (!IsOverwrite(model, proof, file)) continue;
    Finding finding = BeginFinding(model, proof, 1, Kind::kOverwrite, Severity::kWarning);
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, file, Role::kOverwritten, proof.before().closed, proof.record.fd));
    finding.events.push_back(EventOf(model, file, Role::kClosed, proof.last().closed, proof.record.fd));
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
