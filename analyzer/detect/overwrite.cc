// overwrite: dup2 or dup3 closed a live descriptor (3 or above) that other code had opened, and that code went on: it
// closed the number, which is another's by then. Seen in the ledger: the life before was ended by a dup2, and the
// current one by the function that had opened the life before.

#include <set>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

class Overwrites {
 public:
  Overwrites(Model& model, Evidence* evidence) : model_(model), evidence_(*evidence) {}

  void Find(Grouping* out) {
    for (size_t i = 0; i < evidence_.size(); ++i) {
      const Proof& proof = evidence_[i];
      if (evidence_.IsTold(i) || !(proof.is_close() || proof.is_use())) continue;
      if (!IsOverwrite(proof.process, proof.record.fd, proof.before(), proof.last())) continue;
      Finding finding = Tell(proof.process, proof.record.fd, proof.before(), proof.last());
      finding.descriptors.front().target = FieldText(proof.record.target);
      const Role role = proof.is_use() ? Role::kUsed : Role::kClosedAgain;
      finding.events.push_back(EventOf(model_, evidence_.FileOf(i), role, proof.record.act, proof.record.fd));
      evidence_.Tell(i, Role::kClosedAgain, &finding);
      out->Add(std::move(finding));
    }
    model_.ForEachSlot([&](ProcessIndex process, int fd, const trace::Slot& slot) {
      const trace::Incarnation& before = slot.lives[(slot.head.count - 1) & 1];
      if (slot.head.count < 2 || slot.head.state != trace::SlotState::kClosed) return;
      if (told_.contains({process, before.opened.stamp}) || !IsOverwrite(process, fd, before, CurrentLife(slot)))
        return;
      out->Add(Tell(process, fd, before, CurrentLife(slot)));
    });
  }

 private:
  bool IsOverwrite(ProcessIndex process, int fd, const trace::Incarnation& before, const trace::Incarnation& after) {
    const bool was_overwritten = (before.closed.flags & trace::kActOverwrote) != 0 && before.opened.stamp != 0;
    if (fd <= 2 || !was_overwritten || after.closed.stamp == 0 || after.closed.image != before.opened.image)
      return false;
    const uint32_t file = model_.processes()[process].file;
    const PathId owner = model_.PathOf(file, before.opened);
    const PathId overwriter = model_.PathOf(file, before.closed);
    return model_.paths().InSameFunction(owner, model_.PathOf(file, after.closed)) && overwriter != kNoPath &&
           !model_.paths().InSameFunction(owner, overwriter);
  }

  Finding Tell(ProcessIndex process, int fd, const trace::Incarnation& before, const trace::Incarnation& after) {
    const uint32_t file = model_.processes()[process].file;
    Finding finding{Kind::kOverwrite, Severity::kWarning};
    finding.processes = {process};
    finding.count = 1;
    finding.fds = {fd};
    finding.descriptors.push_back(NoteOf(model_, process, fd, before, ""));
    TellOpening(model_, process, before, fd, &finding.events);
    finding.deciding = finding.events.size();
    finding.events.push_back(EventOf(model_, file, Role::kOverwritten, before.closed, fd));
    finding.events.push_back(EventOf(model_, file, Role::kClosed, after.closed, fd));
    told_.insert({process, before.opened.stamp});
    return finding;
  }

  Model& model_;
  Evidence& evidence_;
  std::set<std::pair<ProcessIndex, uint64_t>> told_;  // process, stamp of the overwritten life's opening
};

}  // namespace

void FindOverwrites(Model& model, Evidence* evidence, Grouping* out) { Overwrites(model, evidence).Find(out); }

}  // namespace fdaudit::analyzer
