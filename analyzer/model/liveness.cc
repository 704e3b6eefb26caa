// Does a recorded process still run? Answered from /proc, and only where the trace's pids are pids here.

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "analyzer/model/process.h"

namespace fdaudit::analyzer {
namespace {

constexpr int64_t kNanosecond = 1000000000;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool IsThisBoot(const char* boot_id) {
  std::string here = ReadAll("/proc/sys/kernel/random/boot_id");
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
  const std::string text = ReadAll("/proc/" + std::to_string(pid) + "/stat");
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

Liveness AskLiveness(const LiveQuery& query) {
  if (!IsThisBoot(query.boot_id) || !IsThisPidNamespace(query.pid_namespace)) return Liveness::kUnknown;
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
