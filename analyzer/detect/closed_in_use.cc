// closed-in-use: a number was closed while another thread was inside a call on it (read, accept, poll …). The kernel
// goes on with what that call had begun; but it may wait for ever, and its next call meets whatever has the number
// then. A note: some programs end their threads that way. Where closes of the number went wrong as well, nobody can say
// whose it was in that moment, and who closed it may be the one whom another has robbed of it.

#include <algorithm>
#include <set>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {

namespace {

/// Numbers of processes whose closes are somebody's findings.
std::set<std::pair<ProcessIndex, int>> DisputedNumbers(const Evidence& evidence) {
  using trace::FindingKind;
  std::set<std::pair<ProcessIndex, int>> numbers;
  for (const Proof& proof : evidence.proofs()) {
    const FindingKind kind = proof.record.kind;
    if (kind != FindingKind::kFailedClose && kind != FindingKind::kStaleClose && kind != FindingKind::kOwnedClose)
      continue;
    for (uint32_t i = 0; i < std::min(proof.record.fd_count, trace::kMaxFindingFds); ++i)
      numbers.insert({proof.process, proof.record.fds[i]});
    numbers.insert({proof.process, proof.record.fd});
  }
  return numbers;
}

}  // namespace

void FindClosedInUse(Model& model, Evidence* evidence, Grouping* out) {
  const std::set<std::pair<ProcessIndex, int>> disputed = DisputedNumbers(*evidence);
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (proof.record.kind != trace::FindingKind::kClosedInUse || evidence->IsReported(i)) continue;
    if (disputed.contains({proof.process, proof.record.fd})) continue;
    Finding finding = BeginFinding(model, proof, 0, Kind::kClosedInUse, Severity::kNote);
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kUsed, proof.record.act, proof.record.fd));
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kClosed, proof.last().closed, proof.record.fd));
    evidence->MarkReported(i);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
