#include "analyzer/detect/handed_over.h"

#include <algorithm>
#include <limits>

namespace fdaudit::analyzer {
namespace {

constexpr double kForEver = std::numeric_limits<double>::infinity();
constexpr size_t kMostGenerations = 8;

/// When those that sprang from a process ended, in seconds; negative = there are none.
struct Ends {
  double forked = -1;   ///< the last one of it and all that were forked from it
  double session = -1;  ///< the last one of those in sessions that it or they began
};

/// One whose end was not recorded was killed or goes on, as daemons do; what exec started may not have been audited.
double EndOf(const Process& process) { return process.ended_by == trace::EndedBy::kExit ? process.ended_s : kForEver; }

}  // namespace

HandedOver::HandedOver(const Model& model) : model_(model) {
  const std::vector<Process>& processes = model_.processes();
  ended_s_.resize(processes.size(), -1);
  // The youngest first: what a process has executed comes before it.
  for (ProcessIndex i = static_cast<ProcessIndex>(processes.size()); i-- > 0;) {
    if (ended_s_[i] < 0) ended_s_[i] = EndOf(processes[i]);
    if (processes[i].started_by == trace::StartedBy::kExec && processes[i].parent < i) {
      ended_s_[processes[i].parent] = ended_s_[i];
    }
  }
  FindForked();
  FindExecuting();
}

/// Daemons that have all of the table: there was no exec on the way.
void HandedOver::FindForked() {
  const std::vector<Process>& processes = model_.processes();
  forked_s_.resize(processes.size(), -1);
  std::vector<Ends> ends(processes.size());
  for (ProcessIndex i = static_cast<ProcessIndex>(processes.size()); i-- > 0;) {
    const Process& process = processes[i];
    Ends& own = ends[i];
    if (process.ended_by != trace::EndedBy::kExec) own.forked = std::max(own.forked, ended_s_[i]);
    if (process.began_session) own.session = own.forked;
    const ProcessIndex parent = process.parent;
    if (parent >= i || !IsForked(process)) continue;  // none, or a damaged trace
    // The middle one of fork, setsid, fork: the session is its own, the daemon is its child.
    const bool in_session = processes[parent].began_session && IsForked(processes[parent]);
    const double daemon_ended = in_session ? own.forked : own.session;
    if (daemon_ended > processes[parent].ended_s) forked_s_[parent] = std::max(forked_s_[parent], process.started_s);
    ends[parent].forked = std::max(ends[parent].forked, own.forked);
    ends[parent].session = std::max(ends[parent].session, own.session);
  }
}

/// Daemons that have executed a program.
void HandedOver::FindExecuting() {
  const std::vector<Process>& processes = model_.processes();
  executing_.resize(processes.size());
  for (ProcessIndex i = 0; i < processes.size(); ++i) {
    if (processes[i].ended_by != trace::EndedBy::kExec) continue;
    bool in_session = false;
    Descent descent;
    for (ProcessIndex at = i; descent.size() < kMostGenerations && IsForked(processes[at]);) {
      descent.insert(descent.begin(), at);
      in_session = in_session || processes[at].began_session;
      const ProcessIndex parent = processes[at].parent;
      if (parent >= at) break;
      const bool is_in_session = in_session || (processes[parent].began_session && IsForked(processes[parent]));
      if (is_in_session && ended_s_[i] > processes[parent].ended_s) executing_[parent].push_back(descent);
      at = parent;
    }
  }
}

/// Nobody on the way has closed it, and the exec left it open.
bool HandedOver::IsKept(const Descent& descent, int fd, const trace::Incarnation& life) const {
  const Process& first = model_.processes()[descent.front()];
  if ((life.flags & trace::kCloseOnExec) != 0 || model_.Seconds(first.file, life.opened.stamp) >= first.started_s) {
    return false;
  }
  return std::none_of(descent.begin(), descent.end(), [&](ProcessIndex at) {
    const Process& process = model_.processes()[at];
    trace::Slot slot;
    if (!model_.FindSlot(at, fd, &slot)) return false;
    return std::any_of(std::begin(slot.lives), std::end(slot.lives), [&](const trace::Incarnation& own) {
      return own.opened.stamp == life.opened.stamp && own.closed.stamp != 0 && own.closed.image == process.image;
    });
  });
}

bool HandedOver::Contains(ProcessIndex process, int fd, const trace::Incarnation& life) const {
  const Process& opener = model_.processes()[process];
  if (opener.end.kind != EndKind::kExit) return false;
  if (model_.Seconds(opener.file, life.opened.stamp) < forked_s_[process]) return true;
  const std::vector<Descent>& executing = executing_[process];
  return std::any_of(executing.begin(), executing.end(),
                     [&](const Descent& descent) { return IsKept(descent, fd, life); });
}

}  // namespace fdaudit::analyzer
