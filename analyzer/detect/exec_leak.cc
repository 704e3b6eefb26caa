// exec-leak: a descriptor (3 or above) without close-on-exec crossed an exec, and nobody meant it to: neither did the
// child put it there (dup2, F_DUPFD, a file action), nor did anybody take its close-on-exec off (F_SETFD), nor did it
// come from outside of what was watched. A note: many programs live with it.

#include <array>
#include <string>
#include <utility>

#include "analyzer/detect/detectors.h"

namespace fdaudit::analyzer {
namespace {

bool StartedByExec(const Process& process) {
  return process.parent != kNoProcess &&
         (process.started_by == trace::StartedBy::kExec || process.started_by == trace::StartedBy::kSpawn ||
          process.started_by == trace::StartedBy::kVfork);
}

bool WasMeant(const Model& model, const Process& process, const trace::Incarnation& life) {
  if ((life.opened.flags & trace::kActKept) != 0) return true;
  const std::string call = model.CallOf(process.file, life.opened);
  constexpr std::array kPlacing{"dup", "dup2", "__dup2", "dup3", "fcntl", "fcntl64", "__fcntl"};
  for (const char* placing : kPlacing) {
    if (call == placing) return true;
  }
  return false;
}

}  // namespace

void FindExecLeaks(Model& model, Grouping* out) {
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot) {
    const Process& process = model.processes()[index];
    if (fd <= 2 || !StartedByExec(process)) return;
    for (const trace::Incarnation& life : slot.lives) {
      const bool crossed = (life.opened.flags & trace::kActInherited) != 0 && life.opened.stack != trace::kNoIndex &&
                           life.opened.image != process.image;
      if (!crossed || WasMeant(model, process, life)) continue;
      Finding finding{Kind::kExecLeak, Severity::kNote};
      finding.processes = {index};
      finding.count = 1;
      finding.fds = {fd};
      finding.descriptors.push_back(NoteOf(model, index, fd, life, FieldText(slot.target)));
      finding.events.push_back(EventOf(model, process.file, Role::kOpened, life.opened, fd));
      StoryEvent exec{Role::kExec, "exec", index, 0, process.started_s, fd, kNoPath};
      exec.thread = process.pid > 0 ? static_cast<uint32_t>(process.pid) : 0;
      finding.events.push_back(std::move(exec));
      out->Add(std::move(finding));
    }
  });
}

}  // namespace fdaudit::analyzer
