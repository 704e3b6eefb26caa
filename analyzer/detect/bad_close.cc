// bad-close: a close failed with EBADF on a number that was never open here.

#include <algorithm>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

/// close(-1) on an error path, or a number that the kernel could never hand out: harmless as it is.
bool IsHarmless(const std::vector<int>& fds, uint64_t nr_open) {
  return std::all_of(fds.begin(), fds.end(),
                     [nr_open](int fd) { return fd < 0 || (nr_open != 0 && static_cast<uint64_t>(fd) >= nr_open); });
}

}  // namespace

void FindBadCloses(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    const bool was_open = proof.last().opened.stamp != 0 || proof.last().closed.stamp != 0;  // by any opener
    if (evidence->IsReported(i) || !proof.is_close() || was_open) continue;
    Finding finding{Kind::kBadClose, Severity::kWarning};
    finding.processes = {proof.process};
    TakeNumbers(model, proof, 0, &finding);
    finding.descriptors.clear();  // there never was one
    const uint32_t file = evidence->FileOf(i);
    if (IsHarmless(finding.fds, model.files()[file].header().nr_open)) finding.severity = Severity::kNote;
    finding.events.push_back(EventOf(model, file, Role::kClosed, proof.record.act, proof.record.fd));
    evidence->Report(i, Role::kClosed, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
