#include "analyzer/detect/detectors.h"

#include <algorithm>
#include <tuple>

#include "analyzer/detect/finish.h"
#include "analyzer/detect/judge/helpers.h"
#include "analyzer/detect/judge/judge.h"
#include "analyzer/detect/siblings.h"

namespace fdaudit::analyzer {

std::vector<Finding> Detect(Model& model, const DetectOptions& options, uint64_t* left_out) {
  Evidence evidence(model);
  const Closings closings = ClosingsOf(model, evidence.proofs());
  model.paths().SetHelpers(FindHelpers(model, evidence.proofs(), closings),
                           {options.helpers.begin(), options.helpers.end()});
  evidence.LeaveOutMadeRoom();
  const CulpritJudge judge(model, evidence.proofs(), closings);
  Grouping groups(model, options.ignore_before);
  FindWrongCloses(model, judge, &evidence, &groups);
  FindCollateralCloses(model, options, &evidence, &groups);
  FindOverwrites(model, &evidence, &groups);
  FindCloseErrors(model, &evidence, &groups);  // before a retry's EBADF is reported as a cause of its own
  FindDoubleCloses(model, judge, &evidence, &groups);
  FindUsesAfterClose(model, judge, &evidence, &groups);
  FindStdReused(model, &evidence, &groups);
  FindExhaustion(model, &evidence, &groups);
  FindExecLeaks(model, &evidence, &groups);
  FindHeldPipes(model, &evidence, &groups);
  FindBadUses(model, &evidence, &groups);
  FindClosedInUse(model, &evidence, &groups);
  FindBadCloses(model, &evidence, &groups);
  FindLeaks(model, evidence, &groups);
  FindCollected(model, options, &groups);
  if (left_out != nullptr) *left_out = groups.left_out();
  std::vector<Finding> findings = groups.Take();
  std::erase_if(findings, [&model](const Finding& finding) {
    return model.paths().IsSanitizersOwn(finding.events[finding.deciding].path);
  });
  AddSiblings(model, &findings);
  Finish(model, options, &findings);
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
    return std::tuple(a.severity, a.kind, ~a.count, a.events.front().time_s, a.id) <
           std::tuple(b.severity, b.kind, ~b.count, b.events.front().time_s, b.id);
  });
  return findings;
}

}  // namespace fdaudit::analyzer
