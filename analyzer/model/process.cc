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

}  // namespace

bool IsForked(const Process& process) {
  return process.started_by == StartedBy::kFork || process.started_by == StartedBy::kVfork ||
         process.started_by == StartedBy::kClone;
}

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

std::string ErrorName(int error) {
#if __GLIBC_PREREQ(2, 32)
  if (const char* name = strerrorname_np(error)) return name;
#endif
  return std::to_string(error);
}

}  // namespace fdaudit::analyzer
