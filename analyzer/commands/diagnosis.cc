#include "analyzer/commands/diagnosis.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>

#include "analyzer/commands/child.h"
#include "analyzer/commands/shim_file.h"
#include "analyzer/commands/trace_place.h"
#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {
namespace {

using Result = Check::Result;

constexpr uint64_t kMegabyte = 1 << 20;
constexpr uint64_t kComfortableRoom = 256 * kMegabyte;  // the shim takes an eighth of what is free
constexpr uint64_t kLeastRoom = 4 * kMegabyte;

/// The number behind `name` in /proc/self/status; nothing where it can't be read.
std::optional<uint64_t> StatusNumber(const std::string& name) {
  std::istringstream status(ReadFileText("/proc/self/status").text);
  std::string line;
  while (std::getline(status, line)) {
    if (line.rfind(name + ":", 0) == 0) return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
  }
  return std::nullopt;
}

/// What became of a program that does nothing (this one, asked for its version) under the shim.
struct Trial {
  std::string problem;  ///< why it could not be tried; else empty
  bool ran = false;
  bool recorded = false;
};

Trial TryShim(const std::string& shim) {
  Trial trial;
  TracePlace place;
  if (!place.Prepare("", &trial.problem)) return trial;
  AuditEnvironment audit{shim, {}, {{"trace", place.path()}, {"token", std::to_string(place.token())}}};
  if (const uint64_t filters = SeccompFilters(); filters != 0) {
    audit.options.emplace_back("filters", std::to_string(filters));
  }
  const std::vector<std::string> environment = MakeEnvironment(audit, &trial.problem);
  // Its output is not wanted; descriptor 1 is lent for a moment.
  const int saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::fflush(stdout);
  dup2(nowhere, STDOUT_FILENO);
  const ChildResult result = RunChild({"/proc/self/exe", "--version"}, environment);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  close(nowhere);
  trial.ran = result.exec_error == 0 && result.fork_error == 0 && WIFEXITED(result.wait_status) &&
              WEXITSTATUS(result.wait_status) == 0;
  trial.recorded = !place.Files().empty();
  return trial;
}

Check CheckShim(const std::string& wanted) {
  std::string problem;
  const std::optional<std::string> shim = FindShim(wanted, &problem);
  if (!shim) return {"shim", Result::kProblem, problem, "build it (make), or name it with --shim"};
  const Trial trial = TryShim(*shim);
  if (!trial.problem.empty()) return {"shim", Result::kProblem, trial.problem, "free some room there"};
  if (!trial.ran) {
    const bool filtered = SeccompFilters() != 0;
    return {"shim", Result::kProblem, *shim + " keeps a program from running",
            filtered ? "loosen the seccomp filter that is in effect here" : "report this, please"};
  }
  if (!trial.recorded) {
    return {"shim", Result::kProblem, *shim + " was loaded into a program and recorded nothing",
            "see whether the dynamic linker complains: LD_PRELOAD=" + *shim + " /bin/true"};
  }
  return {"shim", Result::kOk, *shim + " was loaded into a program and recorded it", ""};
}

Check CheckKernel() {
  utsname name = {};
  uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  const int version = major * 1000 + minor;
  if (version < 4014) {
    return {"kernel", Result::kProblem,
            fmt::format("Linux {} cannot tell a forked child from its parent (MADV_WIPEONFORK, 4.14)", name.release),
            "use a newer kernel"};
  }
  if (version < 5014) {
    return {"kernel", Result::kNote,
            fmt::format("Linux {}: room for the trace is reserved at the start (5.14 takes it piece by piece)",
                        name.release),
            ""};
  }
  return {"kernel", Result::kOk, fmt::format("Linux {}", name.release), ""};
}

Check CheckPlace() {
  std::string problem;
  TracePlace place;
  if (!place.Prepare("", &problem)) return {"trace place", Result::kProblem, problem, "name another with --trace DIR"};
  struct statvfs room = {};
  if (statvfs(place.path().c_str(), &room) != 0) return {"trace place", Result::kNote, place.path(), ""};
  const std::string directory = place.path().substr(0, place.path().rfind('/'));
  const uint64_t free_bytes = uint64_t{room.f_bavail} * room.f_frsize;
  const std::string found = fmt::format("{} has {} MB free", directory, free_bytes / kMegabyte);
  if (free_bytes < kLeastRoom)
    return {"trace place", Result::kProblem, found, "free some, or name another place with --trace DIR"};
  if (free_bytes < kComfortableRoom) {
    return {"trace place", Result::kNote, found + ": long or large runs may be recorded in part",
            "--trace DIR names another place"};
  }
  return {"trace place", Result::kOk, found, ""};
}

Check CheckLimits() {
  struct LimitRow {
    int limit;
    const char* what;
    uint64_t least;
  };
  const LimitRow rows[] = {{RLIMIT_FSIZE, "file size (ulimit -f)", 16 * kMegabyte},
                           {RLIMIT_AS, "address space (ulimit -v)", 256 * kMegabyte}};
  std::string low;
  for (const LimitRow& row : rows) {
    rlimit limit = {};
    if (getrlimit(static_cast<__rlimit_resource>(row.limit), &limit) != 0 || limit.rlim_cur >= row.least) continue;
    low += fmt::format("{}{} is {} MB", low.empty() ? "" : ", ", row.what, limit.rlim_cur / kMegabyte);
  }
  if (low.empty()) return {"limits", Result::kOk, "file size and address space leave room for a trace", ""};
  return {"limits", Result::kNote, low + ": less will be recorded", "raise the limit"};
}

Check CheckSeccomp() {
  const std::optional<uint64_t> mode = StatusNumber("Seccomp");
  if (!mode) return {"seccomp", Result::kNote, "/proc/self/status cannot be read", "mount /proc"};
  if (*mode == 0) return {"seccomp", Result::kOk, "no filter", ""};
  return {
      "seccomp", Result::kNote, "a filter is in effect here (a container's?)",
      "preloaded without fdaudit run, the shim stays idle unless the container's first process has the same filter"};
}

Check CheckPreload() {
  const char* preload = std::getenv("LD_PRELOAD");
  if (preload == nullptr || preload[0] == '\0') return {"LD_PRELOAD", Result::kOk, "not set: the shim comes first", ""};
  return {"LD_PRELOAD", Result::kNote, fmt::format("set to {}: kept, behind the shim", preload), ""};
}

}  // namespace

uint64_t SeccompFilters() {
  constexpr uint64_t kFilterMode = 2;
  if (StatusNumber("Seccomp") != kFilterMode) return 0;
  return StatusNumber("Seccomp_filters").value_or(1);
}

bool SurvivesFilters(const std::string& shim) {
  const Trial trial = TryShim(shim);
  return !trial.problem.empty() || (trial.ran && trial.recorded);
}

std::vector<Check> CheckMachine(const std::string& shim) {
  return {CheckKernel(), CheckShim(shim), CheckPlace(), CheckLimits(), CheckSeccomp(), CheckPreload()};
}

Check CheckProgramFile(const std::string& name) {
  const TargetInfo target = InspectProgram(name);
  if (!target.exists) return {name, Result::kProblem, "no such program", "check the name and PATH"};
  if (!target.problem.empty()) return {name, Result::kProblem, target.problem, target.advice};
  std::string kind = target.is_script ? fmt::format("a script for {}, which is dynamically linked", target.interpreter)
                                      : "dynamically linked, for this machine and libc";
  return {name, target.advice.empty() ? Result::kOk : Result::kNote, kind, target.advice};
}

std::string WhyNothingRecorded(const TargetInfo& target, const std::string& directory) {
  if (!target.problem.empty()) return "the program " + target.problem;
  if (access(directory.c_str(), W_OK) != 0) {
    return "the trace directory " + directory + " cannot be written to: " + strerror(errno);
  }
  for (const Check& check : {CheckPlace(), CheckLimits(), CheckKernel()}) {
    if (check.result != Result::kOk) return check.found;
  }
  return "the shim was not loaded, or could not make its trace; `fdaudit doctor PROGRAM` says more";
}

}  // namespace fdaudit::analyzer
