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

void FindBadCloses(Model& model, const std::vector<CloseRecord>& closes, std::vector<bool>* told, Grouping* out) {
  for (size_t i = 0; i < closes.size(); ++i) {
    const trace::FindingRecord& record = closes[i].record;
    if ((*told)[i] || record.kind != trace::FindingKind::kFailedClose || record.lives[0].opened.stamp != 0 ||
        record.lives[0].closed.stamp != 0) {
      continue;  // it was open, whoever opened it
    }
    (*told)[i] = true;
    const uint32_t file = model.processes()[closes[i].process].file;
    Finding finding{Kind::kBadClose, Severity::kWarning};
    finding.processes = {closes[i].process};
    TakeNumbers(model, closes[i], 0, &finding);
    finding.descriptors.clear();  // there never was one
    if (IsHarmless(finding.fds, model.files()[file].header().nr_open)) finding.severity = Severity::kNote;
    finding.events.push_back(EventOf(model, file, Role::kClosed, record.act, record.fd));
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
