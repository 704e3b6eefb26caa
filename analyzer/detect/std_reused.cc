// std-reused: 0, 1 or 2 was closed, and a later open was given the number. A print from then on writes into that
// file. Meant to be so, and no finding: /dev/null or a terminal, and close and open in one function, which is how
// redirections are made by hand. (dup and F_DUPFD onto the number are not recorded as this at all.)

#include <string_view>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

bool IsUsualOnStandard(std::string_view target) {
  for (const std::string_view terminal : {"/dev/tty", "/dev/pts/", "/dev/console"}) {
    if (target.starts_with(terminal)) return true;
  }
  return target == "/dev/null";
}

/// In a stripped program it is unknown whether one function did both, and nobody is accused.
bool HasFunction(Model& model, PathId path) {
  const Frame* frame = model.paths().Location(path);
  return frame != nullptr && !frame->function.empty();
}

}  // namespace

void FindStdReused(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (proof.record.kind != trace::FindingKind::kStdReused || evidence->IsReported(i)) continue;
    const uint32_t file = evidence->FileOf(i);
    const PathId closed = model.PathOf(file, proof.before().closed);
    const PathId opened = model.PathOf(file, proof.last().opened);
    if (!HasFunction(model, closed) || !HasFunction(model, opened) || model.paths().InSameFunction(closed, opened) ||
        IsUsualOnStandard(FieldText(proof.record.target)))
      continue;
    Finding finding{Kind::kStdReused, Severity::kWarning};
    finding.processes = {proof.process};
    TakeNumbers(model, proof, 0, &finding);
    finding.events.push_back(EventOf(model, file, Role::kClosed, proof.before().closed, proof.record.fd));
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model, file, Role::kReopened, proof.last().opened, proof.record.fd));
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
