#include "analyzer/output/open_at_end.h"

#include "analyzer/detect/grouping.h"

namespace fdaudit::analyzer {

Origin OriginOf(const trace::Slot& slot) {
  const uint16_t flags = CurrentLife(slot).opened.flags;
  if ((flags & trace::kActInherited) != 0) return Origin::kInherited;
  const bool unseen = slot.head.state == trace::SlotState::kUnseen || (flags & trace::kActSeenAtEnd) != 0;
  return unseen ? Origin::kUnrecorded : Origin::kOpened;
}

const char* Name(Origin origin) {
  return origin == Origin::kOpened ? "opened" : origin == Origin::kInherited ? "inherited" : "unrecorded";
}

bool IsOpenAtEnd(const Process& process, const trace::Slot& slot) {
  if (process.end.kind == EndKind::kExec) return false;
  return slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kUnseen;
}

Leaked::Source Leaked::SourceOf(ProcessIndex process, PathId path, const std::string& call) const {
  if (path == kNoPath) return {process, call};
  const auto [known, is_new] = lines_.try_emplace(path);
  if (is_new) known->second = LineOf(model_.paths(), path, 0, "");
  return {process, known->second};
}

Leaked::Leaked(const Report& report) : model_(*report.model), handed_over_(model_) {
  for (const Finding& finding : report.findings) {
    if (finding.kind != Kind::kLeak || finding.severity == Severity::kNote) continue;
    const StoryEvent& opened = finding.events[finding.deciding];
    for (const ProcessIndex process : finding.processes) sources_.insert(SourceOf(process, opened.path, opened.call));
  }
}

bool Leaked::Contains(ProcessIndex process, int fd, const trace::Slot& slot) const {
  const bool may_be = fd > 2 && slot.head.state == trace::SlotState::kOpen && OriginOf(slot) == Origin::kOpened;
  if (!may_be) return false;
  const trace::Act& opened = CurrentLife(slot).opened;
  const uint32_t file = model_.processes()[process].file;
  return !handed_over_.Contains(process, fd, CurrentLife(slot)) &&
         sources_.count(SourceOf(process, model_.PathOf(file, opened), model_.CallOf(file, opened))) != 0;
}

}  // namespace fdaudit::analyzer
