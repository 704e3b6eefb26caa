// Does a recorded process still run? Answered from /proc, and only where the trace's pids are pids here.

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>
#include <string>

#include "analyzer/model/process.h"
#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {
namespace {

constexpr int64_t kNanosecond = 1000000000;

bool IsThisBoot(const char* boot_id) {
  std::string here = ReadFileText("/proc/sys/kernel/random/boot_id").text;
  while (!here.empty() && here.back() == '\n') here.pop_back();
  return !here.empty() && here == boot_id;
}

bool IsThisPidNamespace(uint64_t pid_namespace) {
  struct stat status = {};
  return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == pid_namespace;
}

int64_t Clock(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return now.tv_sec * kNanosecond + now.tv_nsec;
}

/// State and start (clock ticks since boot) from /proc/PID/stat: fields 3 and 22, counted behind the name, which may
/// hold blanks and brackets.
bool ReadStat(int pid, char* state, long long* start_ticks) {
  // A process may end between the open and the read: then there is nothing to read.
  const std::string text = ReadFileText("/proc/" + std::to_string(pid) + "/stat").text;
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream fields(text.substr(name_end + 1));
  fields >> *state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> *start_ticks;
  return !fields.fail();
}

}  // namespace

bool ArePidsOfHere(const char* boot_id, uint64_t pid_namespace) {
  return IsThisBoot(boot_id) && IsThisPidNamespace(pid_namespace);
}

Liveness AskLiveness(const LiveQuery& query) {
  if (!ArePidsOfHere(query.boot_id, query.pid_namespace)) return Liveness::kUnknown;
  char state = 0;
  long long start_ticks = 0;
  if (query.pid <= 0 || !ReadStat(query.pid, &state, &start_ticks)) return Liveness::kGone;
  if (state == 'Z' || state == 'X') return Liveness::kGone;
  // The pid may have been given to another process since: that one started later than our image did. The kernel counts
  // starts with suspended time, the trace without; the difference is taken as of now.
  const int64_t suspended = Clock(CLOCK_BOOTTIME) - Clock(CLOCK_MONOTONIC);
  const int64_t started = start_ticks * (kNanosecond / sysconf(_SC_CLK_TCK)) - suspended;
  return started <= query.started_monotonic_ns + kNanosecond ? Liveness::kRuns : Liveness::kGone;
}

}  // namespace fdaudit::analyzer
