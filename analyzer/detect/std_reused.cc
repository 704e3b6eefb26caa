// std-reused: 0, 1 or 2 was closed, and later opens were given the number. Whoever prints from then on writes into
// their files. One close is one finding, located there. Meant to be so, and no finding: /dev/null or a terminal, and
// close and open in one function, which is how redirections are made by hand. (dup and F_DUPFD onto the number are not
// recorded as this at all.) Harmless: what nothing was ever written to, and what happens at the end of the program.

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "analyzer/detect/detectors.h"
#include "analyzer/detect/program_end.h"

namespace fdaudit::analyzer {
namespace {

bool IsUsualOnStandard(std::string_view target) {
  for (const std::string_view terminal : {"/dev/tty", "/dev/pts/", "/dev/console"}) {
    if (target.starts_with(terminal)) return true;
  }
  return target == "/dev/null";
}

/// A file that is open for reading only takes nothing of what is printed.
bool TakesNothing(const Proof& proof) {
  const trace::Incarnation& life = proof.last();
  return proof.record.unwritten != 0 || (life.kind == trace::FdKind::kFile && life.detail == trace::kAccessRead);
}

/// By an ordinary open of this image, not by whoever started it, and not by a dup.
bool WasHandedOut(const trace::Incarnation& life) {
  return life.opened.stamp != 0 && (life.opened.flags & (trace::kActInherited | trace::kActDuplicated)) == 0;
}

/// In a stripped program it is unknown whether one function did both, and nobody is accused.
bool HasFunction(Model& model, PathId path) {
  const Frame* frame = model.paths().Location(path);
  return frame != nullptr && !frame->function.empty();
}

}  // namespace

void FindStdReused(Model& model, Evidence* evidence, Grouping* out) {
  std::vector<Finding> findings;
  std::map<std::pair<ProcessIndex, int>, size_t> causes;  // by number: index of the finding about it
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (proof.record.kind != trace::FindingKind::kStdReused || evidence->IsReported(i)) continue;
    const uint32_t file = evidence->FileOf(i);
    const PathId closed = model.PathOf(file, proof.before().closed);
    const PathId opened = model.PathOf(file, proof.last().opened);
    // What was handed out there is closed in its turn, and the next file gets the number: the first close is the cause.
    const auto cause = causes.find({proof.process, proof.record.fd});
    if (cause != causes.end() && WasHandedOut(proof.before())) {
      findings[cause->second].count += proof.record.count;
      evidence->MarkReported(i);
      continue;
    }
    if (!HasFunction(model, closed) || !HasFunction(model, opened) || model.paths().InSameFunction(closed, opened) ||
        IsUsualOnStandard(FieldText(proof.record.target)) || TakesNothing(proof) ||
        ProgramEnd::LeadsThrough(model, closed) || ProgramEnd::LeadsThrough(model, opened))
      continue;
    Finding finding{Kind::kStdReused, Severity::kWarning};
    finding.processes = {proof.process};
    TakeNumbers(model, proof, 0, &finding);
    finding.events.push_back(EventOf(model, file, Role::kClosed, proof.before().closed, proof.record.fd));
    finding.events.push_back(EventOf(model, file, Role::kReopened, proof.last().opened, proof.record.fd));
    evidence->Report(i, Role::kClosedAgain, &finding);
    causes[{proof.process, proof.record.fd}] = findings.size();
    findings.push_back(std::move(finding));
  }
  for (Finding& finding : findings) out->Add(std::move(finding));
}

}  // namespace fdaudit::analyzer
