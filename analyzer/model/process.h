#pragma once

// One process image as the analyzer sees it: a process from its start, or from an exec, to its end or the next exec.

#include <cstdint>
#include <string>
#include <vector>

#include "shim/trace/format.h"

namespace fdaudit::analyzer {

using ProcessIndex = uint32_t;
inline constexpr ProcessIndex kNoProcess = UINT32_MAX;

enum class EndKind { kUnknown, kExit, kExec, kSignal, kKilled, kRunning };

struct ProcessEnd {
  EndKind kind = EndKind::kUnknown;
  int status = 0;  ///< kExit: exit status; kSignal: the signal's number
};

struct Process {
  std::string id;  ///< "p1", "p2" … in the order of their starts
  uint32_t file = 0;
  uint32_t image = 0;
  int pid = 0;
  int parent_pid = 0;
  uint64_t pid_namespace = 0;  ///< inode; what `pid` counts in
  /// The image this one sprang from: forked or spawned by, or for an exec the image before it in the same process.
  ProcessIndex parent = kNoProcess;
  trace::StartedBy started_by = trace::StartedBy::kUnknown;
  trace::EndedBy ended_by = trace::EndedBy::kNone;
  ProcessEnd end;
  bool began_session = false;  ///< by setsid(2) or daemon(3)
  std::string exe;
  std::vector<std::string> argv;
  std::string cwd;
  trace::WaitingRead reading{};  ///< of a pipe, that has not returned; stamp 0 = none
  bool ledger_released = false;  ///< it ended with nothing to report, and its slots serve others
  uint64_t started_stamp = 0;
  double started_s = 0;  ///< since the session's start
  double ended_s = 0;    ///< where ended_by says that it ended
  uint64_t opened = 0;
  uint64_t closed = 0;
  uint64_t inherited = 0;
  uint64_t peak = 0;
  uint64_t open_at_end = 0;
  uint64_t descriptor_limit = 0;  ///< RLIMIT_NOFILE (soft) when it began
  uint64_t untracked_opens = 0;
  uint64_t untracked_closes = 0;
  uint64_t events_dropped = 0;
  uint32_t reasons = 0;  ///< trace::CoverageReason bits
  trace::ExecProblem exec_problem = trace::ExecProblem::kNone;
  bool exec_ended_early = false;  ///< what exec started could be audited, and ended before that began
  std::string exec_target;
};

/// It began with a copy of its parent's table, as the same program: by fork, vfork, clone.
bool IsForked(const Process& process);

/// Names as the report writes them.
const char* Name(EndKind kind);
const char* Name(trace::StartedBy started_by, bool has_parent);
/// What a descriptor is: "file", "socket" …
const char* Name(trace::FdKind kind);

/// "EBADF"; the number where libc has no names.
std::string ErrorName(int error);

/// A running process, as a trace describes it.
struct LiveQuery {
  int pid;
  const char* boot_id;
  uint64_t pid_namespace;
  int64_t started_monotonic_ns;
};

enum class Liveness { kRuns, kGone, kUnknown };

/// Whether a trace's pids are those that /proc shows here: of this boot, and of this pid namespace (its inode).
bool ArePidsOfHere(const char* boot_id, uint64_t pid_namespace);

/// Asks /proc whether the process still runs. kUnknown: the trace comes from another machine or pid namespace.
Liveness AskLiveness(const LiveQuery& query);

}  // namespace fdaudit::analyzer
