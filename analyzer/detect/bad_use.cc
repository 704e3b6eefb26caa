// bad-use: a use failed with EBADF on a number that was never open here, or on one that is open, but not for this. What
// the judge takes for a late use of the number's life before is a use-after-close (or a wrong-close), and gone by now.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

const char* OpenFor(uint32_t access) {
  switch (access) {
    case trace::kAccessRead:
      return "is open for reading only";
    case trace::kAccessWrite:
      return "is open for writing only";
    default:
      return "is open as a place alone (O_PATH)";
  }
}

/// Where the number is open.
Finding Misused(Model& model, const Proof& proof) {
  Finding finding = BeginFinding(model, proof, 0, Kind::kBadUse, Severity::kNote);
  finding.claim = OpenFor(proof.record.access);
  return finding;
}

Finding Unfounded(Model& model, const Proof& proof) {
  Finding finding{Kind::kBadUse, Severity::kWarning};
  finding.processes = {proof.process};
  TakeNumbers(model, proof, 0, &finding);
  finding.descriptors.clear();  // there never was one
  const bool is_none = std::all_of(finding.fds.begin(), finding.fds.end(), [](int fd) { return fd < 0; });
  if (is_none) finding.severity = Severity::kNote;
  return finding;
}

}  // namespace

void FindBadUses(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    const bool is_unfounded = proof.record.kind == trace::FindingKind::kUnfoundedUse;
    if (evidence->IsReported(i) || (!is_unfounded && !proof.is_misuse())) continue;
    evidence->MarkReported(i);
    if (proof.record.error == ENOTSOCK) continue;  // many ask this way what they have
    Finding finding = is_unfounded ? Unfounded(model, proof) : Misused(model, proof);
    finding.error = proof.record.error;
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, evidence->FileOf(i), Role::kUsed, proof.record.act, proof.record.fd));
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
