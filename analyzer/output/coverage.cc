#include "analyzer/output/coverage.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analyzer/output/escape.h"

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
    {trace::kReasonIoUring, "the program set up io_uring, which opens and closes descriptors without a call"},
    {trace::kReasonSeccomp, "the program entered seccomp: less could be checked from then on"},
    {trace::kReasonStartedLate, "descriptors were opened before fdaudit was there"},
    {trace::kReasonPythonUnknown,
     "a Python of another version or build than fdaudit knows: its functions are not among the frames"},
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
      return "could neither write to the trace nor make one of its own (another user, chroot, container)";
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

/// What may have done it: of the ways that are known of this process the most particular one.
const char* WhyOf(const Process& process) {
  if ((process.reasons & trace::kReasonIoUring) != 0) return "io-uring";
  if ((process.reasons & (trace::kReasonSharedTable | trace::kReasonOwnTable)) != 0) return "shared-table";
  if ((process.reasons & trace::kReasonStartedLate) != 0) return "started-late";
  if ((process.reasons & (trace::kReasonNoRoom | trace::kReasonDescriptorTooHigh)) != 0) return "no-room";
  return "unseen-call";
}

constexpr size_t kUntrackedTold = 5;

void TellUntracked(const Model& model, std::vector<std::string>* lines) {
  size_t told = 0;
  for (const auto& [process, descriptors] : UntrackedDescriptors(model)) {
    for (const Untracked& one : descriptors) {
      if (++told > kUntrackedTold) return;
      lines->push_back(fmt::format("  {} descriptor {}, {}{}{}: {} between {:.3f} s and {:.3f} s",
                                   model.processes()[process].id, one.fd, Name(one.kind), one.target.empty() ? "" : " ",
                                   EscapeForTerminal(one.target), one.is_open ? "opened" : "closed", one.not_before_s,
                                   one.not_after_s));
    }
  }
}

}  // namespace

std::map<ProcessIndex, std::vector<Untracked>> UntrackedDescriptors(const Model& model) {
  std::map<ProcessIndex, std::vector<Untracked>> found;
  model.ForEachSlot([&](ProcessIndex index, int fd, const trace::Slot& slot) {
    const bool is_open = slot.head.state == trace::SlotState::kUnseen;
    if (!is_open && slot.head.state != trace::SlotState::kGone) return;
    const Process& process = model.processes()[index];
    std::vector<Untracked>& list = found[index];
    if (list.size() == kMaxUntracked) return;
    const trace::Incarnation& life = CurrentLife(slot);
    const trace::Incarnation& before = slot.lives[(slot.head.count - 1) & 1];
    const auto seconds = [&](uint64_t stamp, double otherwise) {
      return stamp == 0 ? otherwise : model.Seconds(process.file, stamp);
    };
    const double end = process.ended_by == trace::EndedBy::kNone ? model.session().duration_s : process.ended_s;
    const uint64_t since = is_open ? (slot.head.count > 1 ? before.closed.stamp : 0) : life.opened.stamp;
    list.push_back({is_open, fd, life.kind, model.Told(FieldText(slot.target)), seconds(since, process.started_s),
                    is_open ? seconds(life.opened.stamp, end) : end, WhyOf(process)});
  });
  return found;
}

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
  TellUntracked(model, &lines);
  if (dropped != 0) lines.push_back(fmt::format("{} acts were not recorded for lack of room", dropped));
  for (const ReasonText& reason : kReasonTexts) {
    if ((reasons & reason.bit) != 0) lines.emplace_back(reason.text);
  }
  TellUnaudited(model, &lines);
  return lines;
}

}  // namespace fdaudit::analyzer
