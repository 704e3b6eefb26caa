#include "analyzer/output/coverage.h"

#include <fmt/core.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analyzer/model/reasons.h"
#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

void AddUnaudited(const Model& model, std::vector<std::string>* lines) {
  constexpr size_t kMost = 5;
  std::set<std::string> missed;
  for (const Process& process : model.processes()) {
    if (process.exec_ended_early) {
      missed.insert(fmt::format("{} was started, and {}", process.exec_target, kExecEndedEarly.text));
    }
    if (!HasUnauditedExec(process)) continue;
    const std::string program = process.exec_target.empty() ? "a program" : process.exec_target;
    missed.insert(fmt::format("{} was started and not audited: it {}", program, ReasonOf(process.exec_problem).text));
  }
  size_t count = 0;
  for (const std::string& line : missed) {
    if (++count > kMost) break;
    lines->push_back(line);
  }
  if (missed.size() > kMost) lines->push_back(fmt::format("{} more programs were not audited", missed.size() - kMost));
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

void AddCount(uint64_t count, const char* one, const char* several, std::string* list) {
  if (count != 0) *list += fmt::format("{}{} {}", list->empty() ? "" : ", ", count, count == 1 ? one : several);
}

constexpr size_t kMaxUntrackedLines = 5;

void AddUntracked(const Model& model, std::vector<std::string>* lines) {
  size_t shown = 0;
  for (const auto& [process, descriptors] : UntrackedDescriptors(model)) {
    for (const Untracked& one : descriptors) {
      if (++shown > kMaxUntrackedLines) return;
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
    list.push_back({is_open, fd, life.kind, model.Shown(FieldText(slot.target)), seconds(since, process.started_s),
                    is_open ? seconds(life.opened.stamp, end) : end, WhyOf(process)});
  });
  return found;
}

std::string DescribeLosses(const Losses& lost) {
  std::string list;
  AddCount(lost.findings, "finding", "findings", &list);
  AddCount(lost.stacks, "call path", "call paths", &list);
  AddCount(lost.images, "process", "processes", &list);
  AddCount(lost.events, "open or close", "opens and closes", &list);
  if (list.empty()) return "";
  const std::string since = lost.since_s ? fmt::format(" from {:.3f} s on", *lost.since_s) : "";
  return fmt::format("evidence was lost for lack of room{} ({}), so findings may be missing", since, list);
}

std::vector<std::string> CoverageLines(const Model& model) {
  std::vector<std::string> lines = model.session().notes;
  const Losses& lost = model.session().lost;
  uint64_t opens = 0, closes = 0, dropped = 0;
  uint32_t reasons = lost.Any() ? static_cast<uint32_t>(trace::kReasonNoRoom) : 0;
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
        " opened without fdaudit seeing it (raw system calls, io_uring, libc's insides): never reported as leaks");
  }
  if (closes != 0)
    lines.push_back(Counted(closes) + " closed without fdaudit seeing it: never reported as double closes");
  AddUntracked(model, &lines);
  if (lost.Any()) lines.push_back(DescribeLosses(lost));
  if (dropped > lost.events) lines.push_back(fmt::format("{} events were not recorded", dropped - lost.events));
  for (const Reason& reason : LedgerReasons(reasons)) lines.emplace_back(reason.text);
  AddUnaudited(model, &lines);
  return lines;
}

}  // namespace fdaudit::analyzer
