// exhausted: a call failed because the table was full (EMFILE: the process's, ENFILE: the system's), with who held the
// process's table at that moment, by call path. The story begins with the greatest holder, whose line is the one to
// look at. As a note: four fifths of the limit were passed.

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostHolders = 5;

struct Holding {
  uint32_t stack;
  uint32_t count;
};

/// Greatest first.
std::vector<Holding> HoldersOf(const trace::FindingRecord& record) {
  std::vector<Holding> holders(trace::kMaxHolders);
  static_assert(sizeof(Holding) * trace::kMaxHolders == sizeof record.fds);
  std::memcpy(holders.data(), record.fds, sizeof record.fds);
  std::erase_if(holders, [](const Holding& holder) { return holder.count == 0; });
  std::stable_sort(holders.begin(), holders.end(),
                   [](const Holding& a, const Holding& b) { return a.count > b.count; });
  return holders;
}

}  // namespace

void FindExhaustion(Model& model, Evidence* evidence, Grouping* out) {
  for (size_t i = 0; i < evidence->size(); ++i) {
    const Proof& proof = (*evidence)[i];
    if (proof.record.kind != trace::FindingKind::kExhausted) continue;
    const uint32_t file = evidence->FileOf(i);
    Finding finding{Kind::kExhausted, proof.record.error == 0 ? Severity::kNote : Severity::kError};
    finding.error = proof.record.error;
    finding.limit = proof.record.fd;
    finding.processes = {proof.process};
    finding.count = std::max<uint64_t>(proof.record.count, 1);
    for (const Holding& holder : HoldersOf(proof.record)) {
      finding.held += holder.count;
      if (finding.events.size() == kMostHolders || holder.stack == trace::kNoIndex) continue;
      trace::Act opened = proof.record.act;
      opened.stack = holder.stack;
      StoryEvent event = EventOf(model, file, Role::kOpened, opened, -1);
      event.call.clear();  // the picture knows the call paths only
      event.count = holder.count;
      finding.events.push_back(std::move(event));
    }
    finding.events.push_back(EventOf(model, file, Role::kExhausted, proof.record.act, -1));
    evidence->Report(i, Role::kClosedAgain, &finding);
    out->Add(std::move(finding));
  }
}

}  // namespace fdaudit::analyzer
