#include "analyzer/output/coverage.h"

#include <fmt/format.h>

#include <set>

namespace fdaudit::analyzer {
namespace {

struct ReasonText {
  uint32_t bit;
  const char* text;
};

constexpr ReasonText kReasonTexts[] = {
    {trace::kReasonNoRoom,
     "the trace was full: some of what happened was not recorded (more room: a larger disk or /dev/shm)"},
    {trace::kReasonDescriptorTooHigh, "descriptor numbers beyond the ledger's reach were not followed"},
    {trace::kReasonSharedTable,
     "a descriptor table was shared between processes: neither leaks nor double closes are told there"},
    {trace::kReasonOwnTable,
     "a thread, or a child in its parent's memory, had a descriptor table of its own (unshare, clone): what it did is "
     "not told"},
    {trace::kReasonSeccomp, "the program entered seccomp: less could be checked from then on"},
    {trace::kReasonStartedLate, "descriptors were opened before fdaudit was there"},
    {trace::kReasonExitUnchecked, "the ledger could not be compared with the kernel's table at the end"},
};

const char* WhyUnaudited(trace::ExecProblem problem) {
  switch (problem) {
    case trace::ExecProblem::kStatic:
      return "is statically linked";
    case trace::ExecProblem::kSetId:
      return "runs with other privileges (set-user-ID)";
    case trace::ExecProblem::kForeign:
      return "is for another architecture or libc";
    case trace::ExecProblem::kShimUnreachable:
      return "cannot reach the shim from where it runs (chroot, container)";
    case trace::ExecProblem::kSandboxed:
      return "inherits a seccomp filter, under which the shim does not start";
    case trace::ExecProblem::kTraceUnreachable:
      return "may not open the trace file (another user)";
    case trace::ExecProblem::kEnvironment:
      return "got an environment that the program had cleared or replaced (by system or popen, in a threaded program)";
    case trace::ExecProblem::kSkipped:
      return "is on the skip list";
    case trace::ExecProblem::kNoFollow:
      return "was not to be followed (follow=0)";
    default:
      return "never joined the trace (statically linked, privileged, or for another architecture or libc: "
             "`fdaudit doctor PROGRAM` tells)";
  }
}

void TellUnaudited(const Model& model, std::vector<std::string>* lines) {
  constexpr size_t kMost = 5;
  std::set<std::string> told;
  for (const Process& process : model.processes()) {
    if (process.exec_ended_early) told.insert(process.exec_target + " was started, and ended before its audit began");
    const bool unaudited =
        process.exec_problem != trace::ExecProblem::kNone || (process.reasons & trace::kReasonExecUnaudited) != 0;
    if (!unaudited) continue;
    const std::string program = process.exec_target.empty() ? "a program" : process.exec_target;
    told.insert(fmt::format("{} was started and not audited: it {}", program, WhyUnaudited(process.exec_problem)));
  }
  size_t count = 0;
  for (const std::string& line : told) {
    if (++count > kMost) break;
    lines->push_back(line);
  }
  if (told.size() > kMost) lines->push_back(fmt::format("{} more programs were not audited", told.size() - kMost));
}

std::string Counted(uint64_t count) {
  return count == 1 ? "1 descriptor was" : fmt::format("{} descriptors were", count);
}

}  // namespace

std::vector<std::string> CoverageLines(const Model& model) {
  std::vector<std::string> lines = model.session().notes;
  uint64_t opens = 0, closes = 0, dropped = 0;
  uint32_t reasons = model.session().lost != 0 ? static_cast<uint32_t>(trace::kReasonNoRoom) : 0;
  for (const Process& process : model.processes()) {
    opens += process.untracked_opens;
    closes += process.untracked_closes;
    dropped += process.events_dropped;
    reasons |= process.reasons;
  }
  if (model.processes().empty()) lines.emplace_back("no process is recorded in the trace");
  if (opens != 0) {
    lines.push_back(
        Counted(opens) +
        " opened without fdaudit seeing it (raw system calls, io_uring, libc's insides): never told as leaks");
  }
  if (closes != 0) lines.push_back(Counted(closes) + " closed without fdaudit seeing it: never told as double closes");
  if (dropped != 0) lines.push_back(fmt::format("{} acts were not recorded for lack of room", dropped));
  for (const ReasonText& reason : kReasonTexts) {
    if ((reasons & reason.bit) != 0) lines.emplace_back(reason.text);
  }
  TellUnaudited(model, &lines);
  return lines;
}

}  // namespace fdaudit::analyzer
