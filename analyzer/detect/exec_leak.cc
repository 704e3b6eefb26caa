// exec-leak: a descriptor (3 or above) without close-on-exec crossed an exec, and nobody meant it to: neither was it
// duplicated or put there for the program (dup2, a file action), nor did anybody take its close-on-exec off (F_SETFD).
// The shim reports it at the start of the program that inherits it. A note: many programs live with it. But a program
// that executes itself anew, and leaves one behind each time, leaks them: its table grows from image to image.

#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {

namespace {

constexpr uint32_t kGrowingImages = 8;

/// The process whose images left their descriptors behind; as a leak of the line that opened them.
Finding LeftBehind(Model& model, const Proof& proof) {
  Finding finding{Kind::kLeak, Severity::kError};
  finding.growing = true;
  finding.over_images = true;
  finding.processes = {proof.process};
  TakeNumbers(model, proof, 0, &finding);
  const Process& process = model.processes()[proof.process];
  finding.events.push_back(EventOf(model, process.file, Role::kOpened, proof.last().opened, proof.record.fd));
  return finding;
}

}  // namespace

void FindExecLeaks(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (proof.record.kind != trace::FindingKind::kCrossedExec) continue;
    const Process& process = model.processes()[proof.process];
    Finding finding{Kind::kExecLeak, Severity::kNote};
    finding.processes = {proof.process};
    TakeNumbers(model, proof, 0, &finding);
    finding.events.push_back(EventOf(model, process.file, Role::kOpened, proof.last().opened, proof.record.fd));
    StoryEvent exec{Role::kExec, "exec", proof.process};
    exec.thread = process.pid > 0 ? static_cast<uint32_t>(process.pid) : 0;
    exec.time_s = process.started_s;
    exec.fd = proof.record.fd;
    finding.events.push_back(std::move(exec));
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
    if (proof.record.left_behind + 1 >= kGrowingImages) out->Add(LeftBehind(model, proof));
  }
}

}  // namespace fdaudit::analyzer
