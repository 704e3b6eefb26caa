#include "analyzer/model/process.h"

#include <cstring>

namespace fdaudit::analyzer {
namespace {

using trace::FdKind;
using trace::StartedBy;

constexpr const char* kKindNames[] = {
    "unknown",    "file",     "directory", "pipe",  "socket",   "epoll",         "eventfd",          "timerfd",
    "signalfd",   "inotify",  "fanotify",  "memfd", "pidfd",    "pty",           "mqueue",           "userfaultfd",
    "perf-event", "io-uring", "bpf",       "mount", "landlock", "shared-memory", "character-device", "block-device"};

struct ReasonName {
  uint32_t bit;
  const char* name;
};

constexpr ReasonName kReasonNames[] = {
    {trace::kReasonNoRoom, "no-room"},
    {trace::kReasonDescriptorTooHigh, "descriptor-too-high"},
    {trace::kReasonSharedTable, "shared-table"},
    {trace::kReasonSeccomp, "seccomp"},
    {trace::kReasonStartedLate, "started-late"},
    {trace::kReasonExitUnchecked, "exit-unchecked"},
    {trace::kReasonPythonUnknown, "python-unknown"},
    {trace::kReasonOwnTable, "own-table"},
    {trace::kReasonIoUring, "io-uring"},
};

const char* ExecProblemName(trace::ExecProblem problem) {
  switch (problem) {
    case trace::ExecProblem::kStatic:
      return "exec-static";
    case trace::ExecProblem::kSetId:
      return "exec-set-user-id";
    case trace::ExecProblem::kForeign:
      return "exec-foreign";
    case trace::ExecProblem::kSandboxed:
      return "exec-sandboxed";
    case trace::ExecProblem::kShimUnreachable:
      return "exec-shim-unreachable";
    case trace::ExecProblem::kTraceUnreachable:
      return "exec-trace-unreachable";
    case trace::ExecProblem::kEnvironment:
      return "exec-environment";
    case trace::ExecProblem::kSkipped:
      return "exec-skipped";
    case trace::ExecProblem::kNoFollow:
      return "exec-not-followed";
    default:
      return "exec-unaudited";
  }
}

}  // namespace

const char* Name(EndKind kind) {
  switch (kind) {
    case EndKind::kExit:
      return "exit";
    case EndKind::kExec:
      return "exec";
    case EndKind::kSignal:
      return "signal";
    case EndKind::kKilled:
      return "killed";
    case EndKind::kRunning:
      return "running";
    default:
      return "unknown";
  }
}

const char* Name(StartedBy started_by, bool has_parent) {
  switch (started_by) {
    case StartedBy::kRun:
      return "run";
    case StartedBy::kFork:
      return "fork";
    case StartedBy::kVfork:
      return "vfork";
    case StartedBy::kClone:
      return "clone";
    case StartedBy::kSpawn:
      return "spawn";
    case StartedBy::kExec:
      return "exec";
    default:
      return has_parent ? "clone" : "run";
  }
}

const char* Name(FdKind kind) {
  const auto index = static_cast<size_t>(kind);
  return index < std::size(kKindNames) ? kKindNames[index] : "unknown";
}

std::vector<std::string> ReasonNames(const Process& process) {
  std::vector<std::string> names;
  for (const ReasonName& reason : kReasonNames) {
    if ((process.reasons & reason.bit) != 0) names.emplace_back(reason.name);
  }
  if ((process.reasons & trace::kReasonExecUnaudited) != 0 || process.exec_problem != trace::ExecProblem::kNone) {
    names.emplace_back(ExecProblemName(process.exec_problem));
  }
  if (process.exec_ended_early) names.emplace_back("exec-ended-early");
  return names;
}

std::string ErrorName(int error) {
#if __GLIBC_PREREQ(2, 32)
  if (const char* name = strerrorname_np(error)) return name;
#endif
  return std::to_string(error);
}

}  // namespace fdaudit::analyzer
