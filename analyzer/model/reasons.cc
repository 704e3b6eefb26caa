#include "analyzer/model/reasons.h"

namespace fdaudit::analyzer {
namespace {

using trace::ExecProblem;

struct LedgerReason {
  uint32_t bit;
  Reason reason;
};

constexpr LedgerReason kLedgerReasons[] = {
    {trace::kReasonNoRoom,
     {"no-room", "the trace was full: some of what happened was not recorded (more room: a larger disk or /dev/shm)"}},
    {trace::kReasonDescriptorTooHigh,
     {"descriptor-too-high", "descriptor numbers beyond the ledger's reach were not followed"}},
    {trace::kReasonSharedTable,
     {"shared-table",
      "a descriptor table was shared between processes: neither leaks nor double closes are reported there"}},
    {trace::kReasonSeccomp, {"seccomp", "the program entered seccomp: less could be checked from then on"}},
    {trace::kReasonStartedLate, {"started-late", "descriptors were opened before fdaudit was there"}},
    {trace::kReasonExitUnchecked,
     {"exit-unchecked", "the ledger could not be compared with the kernel's table at the end"}},
    {trace::kReasonPythonUnknown,
     {"python-unknown",
      "a Python of another version or build than fdaudit knows: its functions are not among the frames"}},
    {trace::kReasonOwnTable,
     {"own-table",
      "a thread, or a child in its parent's memory, had a descriptor table of its own (unshare, clone): what it did is "
      "not reported"}},
    {trace::kReasonIoUring,
     {"io-uring", "the program set up io_uring, which opens and closes descriptors without a call"}},
};

struct ExecReason {
  ExecProblem problem;
  Reason reason;
};

constexpr ExecReason kExecReasons[] = {
    {ExecProblem::kStatic, {"exec-static", "is statically linked"}},
    {ExecProblem::kSetId, {"exec-set-user-id", "runs with other privileges (set-user-ID, capabilities)"}},
    {ExecProblem::kForeign, {"exec-foreign", "is for another architecture or libc"}},
    {ExecProblem::kSandboxed, {"exec-sandboxed", "inherits a seccomp filter, under which the shim does not start"}},
    {ExecProblem::kShimUnreachable,
     {"exec-shim-unreachable", "cannot reach the shim from where it runs (chroot, container)"}},
    {ExecProblem::kTraceUnreachable,
     {"exec-trace-unreachable",
      "could neither write to the trace nor make one of its own (another user, chroot, container)"}},
    {ExecProblem::kEnvironment,
     {"exec-environment",
      "got an environment that the program had cleared or replaced (by system or popen, in a threaded program)"}},
    {ExecProblem::kOwnSession, {"exec-own-session", "is recorded in a session of its own"}},
    {ExecProblem::kSkipped, {"exec-skipped", "is on the skip list"}},
    {ExecProblem::kNoFollow, {"exec-not-followed", "was not to be followed (follow=0)"}},
};

constexpr Reason kExecUnknown = {
    "exec-unaudited",
    "never joined the trace (statically linked, privileged, or for another architecture or libc: "
    "`fdaudit doctor PROGRAM` says which)"};

}  // namespace

const Reason kExecEndedEarly = {"exec-ended-early", "ended before its audit began"};

std::vector<Reason> LedgerReasons(uint32_t reasons) {
  std::vector<Reason> found;
  for (const LedgerReason& known : kLedgerReasons) {
    if ((reasons & known.bit) != 0) found.push_back(known.reason);
  }
  return found;
}

bool HasUnauditedExec(const Process& process) {
  return process.exec_problem != ExecProblem::kNone || (process.reasons & trace::kReasonExecUnaudited) != 0;
}

Reason ReasonOf(ExecProblem problem) {
  for (const ExecReason& known : kExecReasons) {
    if (known.problem == problem) return known.reason;
  }
  return kExecUnknown;
}

std::vector<std::string> ReasonNames(const Process& process) {
  std::vector<std::string> names;
  for (const Reason& reason : LedgerReasons(process.reasons)) names.emplace_back(reason.name);
  if (HasUnauditedExec(process)) names.emplace_back(ReasonOf(process.exec_problem).name);
  if (process.exec_ended_early) names.emplace_back(kExecEndedEarly.name);
  return names;
}

}  // namespace fdaudit::analyzer
