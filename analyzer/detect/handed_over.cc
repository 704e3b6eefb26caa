#include "analyzer/detect/handed_over.h"

#include <algorithm>
#include <limits>

namespace fdaudit::analyzer {
namespace {

constexpr double kForEver = std::numeric_limits<double>::infinity();

/// When those that sprang from a process ended, in seconds; negative = there are none.
struct Ends {
  double self = -1;     ///< the process, whatever it exec'd
  double forked = -1;   ///< the last one of it and all that were forked from it
  double session = -1;  ///< the last one of those in sessions that it or they began
};

/// One whose end was not recorded was killed or goes on, as daemons do; what exec started may not have been audited.
double EndOf(const Process& process, bool beyond_exec) {
  if (process.ended_by == trace::EndedBy::kExec && !beyond_exec) return -1;
  return process.ended_by == trace::EndedBy::kExit ? process.ended_s : kForEver;
}

}  // namespace

HandedOver::HandedOver(const Model& model)
    : model_(model), with_all_(FindLatest(false)), with_kept_open_(FindLatest(true)) {}

HandedOver::Starts HandedOver::FindLatest(bool beyond_exec) const {
  const std::vector<Process>& processes = model_.processes();
  Starts latest(processes.size(), -1);
  std::vector<Ends> ends(processes.size());
  // The youngest first: all that sprang from a process come before it.
  for (ProcessIndex i = static_cast<ProcessIndex>(processes.size()); i-- > 0;) {
    const Process& process = processes[i];
    Ends& own = ends[i];
    if (own.self < 0) own.self = EndOf(process, beyond_exec);
    own.forked = std::max(own.forked, own.self);
    if (process.began_session) own.session = own.forked;
    const ProcessIndex parent = process.parent;
    if (parent >= i) continue;  // none, or a damaged trace
    if (process.started_by == trace::StartedBy::kExec && beyond_exec) ends[parent].self = own.self;
    if (!IsForked(process)) continue;
    // The middle one of fork, setsid, fork: the session is its own, the daemon is its child.
    const bool in_session = processes[parent].began_session && IsForked(processes[parent]);
    const double daemon_ended = in_session ? own.forked : own.session;
    if (daemon_ended > processes[parent].ended_s) latest[parent] = std::max(latest[parent], process.started_s);
    ends[parent].forked = std::max(ends[parent].forked, own.forked);
    ends[parent].session = std::max(ends[parent].session, own.session);
  }
  return latest;
}

bool HandedOver::Contains(ProcessIndex process, const trace::Incarnation& life) const {
  const Process& opener = model_.processes()[process];
  if (opener.end.kind != EndKind::kExit) return false;
  const double opened_s = model_.Seconds(opener.file, life.opened.stamp);
  const bool crosses_exec = (life.flags & trace::kCloseOnExec) == 0;
  return opened_s < with_all_[process] || (crosses_exec && opened_s < with_kept_open_[process]);
}

}  // namespace fdaudit::analyzer
