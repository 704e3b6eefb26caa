#include "analyzer/model/model.h"

#include <sys/wait.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "analyzer/trace/family.h"

namespace fdaudit::analyzer {
namespace {

using trace::EndedBy;
using trace::RegionKind;

uint64_t Key(uint32_t high, uint32_t low) { return uint64_t{high} << 32 | low; }

std::vector<std::string> SplitArguments(const std::string& text) {
  std::vector<std::string> arguments;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return arguments;
}

std::vector<trace::ClockPair> ClockPairs(const TraceFile& file) {
  std::vector<trace::ClockPair> pairs;
  file.ForEach<trace::ImageRecord>(RegionKind::kImages, [&pairs](uint64_t, const trace::ImageRecord& image) {
    if (image.id == 0) return;
    pairs.push_back(image.started);
    if (image.ended_by != EndedBy::kNone) pairs.push_back(image.ended);
  });
  if (file.header().run_ended == 1) pairs.push_back(file.header().run_end);
  return pairs;
}

}  // namespace

Model::Model(std::vector<TraceFile> files, ModelOptions options)
    : files_(std::move(files)), options_(std::move(options)), paths_(files_, options_.lookup, options_.code_lookup) {
  for (const TraceFile& file : files_) timelines_.emplace_back(file.header(), ClockPairs(file));
  session_.started_realtime_ns = files_.empty() ? 0 : INT64_MAX;
  for (const TraceFile& file : files_) {
    session_.started_realtime_ns = std::min(session_.started_realtime_ns, file.header().started_realtime_ns);
  }
  for (const TraceFile& file : files_) {
    file_offsets_.push_back(
        (static_cast<double>(file.header().started_realtime_ns) - static_cast<double>(session_.started_realtime_ns)) /
        1e9);
  }
  for (uint32_t file = 0; file < files_.size(); ++file) ReadImages(file);
  SortAndLink();
  LinkSuccessorsAcrossFiles();
  NoteUnauditedExecs();
  ReadContexts();
  CountSlots();
  DecideEnds();
  if (options_.redact) RedactProcesses();
  DescribeSession();
  raw_ = {};
}

ProcessIndex Model::Find(uint32_t file, uint32_t image) const {
  const auto found = by_image_.find(Key(file, image));
  return found == by_image_.end() ? kNoProcess : found->second;
}

ProcessIndex Model::FindAt(uint32_t file, uint32_t image, uint64_t stamp) const {
  const ProcessIndex found = Find(file, image);
  return found == kNoProcess || stamp < processes_[found].started_stamp ? kNoProcess : found;
}

ProcessIndex Model::FindPid(ProcessIndex reader, int pid, double time_s) const {
  ProcessIndex found = kNoProcess;
  for (ProcessIndex i = 0; i < processes_.size() && processes_[i].started_s <= time_s; ++i) {
    if (processes_[i].pid == pid && IsSamePlace(i, reader)) found = i;
  }
  return found;
}

double Model::Now(uint32_t file) const {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t started = timelines_[file].Monotonic(files_[file].header().started.stamp);
  return file_offsets_[file] + static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec - started) / 1e9;
}

double Model::Seconds(uint32_t file, uint64_t stamp) const {
  return file_offsets_[file] + timelines_[file].Seconds(stamp);
}

void Model::ReadImages(uint32_t file) {
  files_[file].ForEach<trace::ImageRecord>(RegionKind::kImages, [this, file](uint64_t index, trace::ImageRecord image) {
    if (image.id != index + 1) return;
    Process process;
    process.file = file;
    process.image = image.id;
    process.pid = image.pid;
    process.parent_pid = image.parent_pid;
    process.pid_namespace = image.pid_namespace;
    process.started_by = image.started_by;
    process.ended_by = image.ended_by;
    process.began_session = image.began_session == 1;
    process.exe = files_[file].GetText(image.exe);
    process.argv = SplitArguments(files_[file].GetText(image.argv));
    process.cwd = files_[file].GetText(image.cwd);
    process.reading = image.reading;
    process.ledger_released = image.ledger_released != 0;
    process.started_stamp = image.started.stamp;
    process.started_s = Seconds(file, image.started.stamp);
    if (image.ended_by != EndedBy::kNone) process.ended_s = Seconds(file, image.ended.stamp);
    process.opened = image.opened;
    process.closed = image.closed;
    process.inherited = image.inherited;
    process.peak = std::max(image.peak, image.open_at_end);
    process.open_at_end = image.open_at_end;
    process.descriptor_limit = image.descriptor_limit;
    process.untracked_opens = image.untracked_opens;
    process.untracked_closes = image.untracked_closes;
    process.events_dropped = image.events_dropped;
    process.reasons = image.reasons;
    process.exec_problem = image.exec_problem;
    process.exec_target = files_[file].GetText(image.exec_target);
    processes_.push_back(std::move(process));
    raw_.push_back(image);
  });
}

void Model::SortAndLink() {
  std::vector<uint32_t> order(processes_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [this](uint32_t a, uint32_t b) { return processes_[a].started_s < processes_[b].started_s; });
  std::vector<Process> processes;
  std::vector<trace::ImageRecord> raw;
  for (const uint32_t from : order) {
    processes.push_back(std::move(processes_[from]));
    raw.push_back(raw_[from]);
  }
  processes_ = std::move(processes);
  raw_ = std::move(raw);
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    processes_[i].id = "p" + std::to_string(i + 1);
    by_image_[Key(processes_[i].file, processes_[i].image)] = i;
  }
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    const trace::ImageRecord& image = raw_[i];
    const uint32_t from = image.predecessor != trace::kNoIndex ? image.predecessor : image.parent;
    const ProcessIndex parent = Find(processes_[i].file, from);
    if (parent != i) processes_[i].parent = parent;
  }
}

/// An exec'd image that could not join its family's file began or joined another one.
void Model::LinkSuccessorsAcrossFiles() {
  if (files_.size() < 2) return;
  LinkNamedOrigins();
  LinkSuccessorsByPid();
}

/// It knew where the image before it is.
void Model::LinkNamedOrigins() {
  std::unordered_multimap<std::string, uint32_t> by_name;
  for (uint32_t file = 0; file < files_.size(); ++file) by_name.emplace(files_[file].file_name(), file);
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    if (raw_[i].origin_image == trace::kNoIndex || processes_[i].parent != kNoProcess) continue;
    const auto [first, end] = by_name.equal_range(files_[processes_[i].file].GetText(raw_[i].origin_file));
    for (auto named = first; named != end; ++named) {
      const ProcessIndex before = Find(named->second, raw_[i].origin_image);
      // For a process that another one started, libc may not have reported the pid.
      const bool fits = named->second != processes_[i].file && before != kNoProcess &&
                        raw_[before].ended_by == EndedBy::kExec &&
                        (raw_[before].pid == raw_[i].pid || raw_[before].pid == 0);
      if (!fits) continue;
      processes_[i].parent = before;
      processes_[i].started_by = trace::StartedBy::kExec;
    }
  }
}

/// Whether the two processes' pids count in the same pid namespace: of one machine, since one boot.
bool Model::IsSamePlace(ProcessIndex a, ProcessIndex b) const {
  const auto boot = [this](ProcessIndex i) { return FieldText(files_[processes_[i].file].header().boot_id); };
  return processes_[a].pid_namespace == processes_[b].pid_namespace &&
         (processes_[a].file == processes_[b].file || boot(a) == boot(b));
}

/// It has the pid of an image that exec ended, started after that, and its file is of the same family: another
/// session's process may have had the pid later, in a container that began when that one had ended.
void Model::LinkSuccessorsByPid() {
  std::unordered_map<int, std::vector<ProcessIndex>> unfollowed;  // by pid
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    if (raw_[i].ended_by == EndedBy::kExec && raw_[i].successor == trace::kNoIndex) {
      unfollowed[processes_[i].pid].push_back(i);
    }
  }
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    const auto candidates = unfollowed.find(processes_[i].pid);
    if (processes_[i].parent != kNoProcess || candidates == unfollowed.end()) continue;
    for (const ProcessIndex before : candidates->second) {
      const bool same_session = processes_[before].file != processes_[i].file && IsSamePlace(before, i) &&
                                FamilyName(files_[processes_[before].file]) == FamilyName(files_[processes_[i].file]);
      // Files' starts are known by the wall clock only: a second of tolerance.
      if (!same_session || processes_[before].ended_s > processes_[i].started_s + 1.0) continue;
      processes_[i].parent = before;
      processes_[i].started_by = trace::StartedBy::kExec;
    }
  }
}

/// An image that ended by exec and is followed by none: the program that it started never joined the trace. Where
/// nothing kept it from doing so, it has ended before it could.
void Model::NoteUnauditedExecs() {
  std::vector<bool> followed(processes_.size(), false);
  for (const Process& process : processes_) {
    if (process.started_by == trace::StartedBy::kExec && process.parent != kNoProcess) followed[process.parent] = true;
  }
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    const bool exec_ended = raw_[i].ended_by == EndedBy::kExec && raw_[i].successor == trace::kNoIndex;
    if (!exec_ended) continue;
    Process& process = processes_[i];
    trace::ExecProblem& problem = process.exec_problem;
    if (followed[i]) {  // in another file
      problem = trace::ExecProblem::kNone;
      process.reasons &= ~trace::kReasonExecUnaudited;
      continue;
    }
    process.exec_ended_early = problem == trace::ExecProblem::kNone && raw_[i].exec_looked_at != 0;
    if (process.exec_ended_early) continue;
    process.reasons |= trace::kReasonExecUnaudited;
    if (problem == trace::ExecProblem::kNone && options_.target_problem) {
      problem = options_.target_problem(process.exec_target);
    }
  }
}

void Model::CountSlots() {
  for (uint32_t file = 0; file < files_.size(); ++file) {
    files_[file].ForEach<trace::SlotBlock>(RegionKind::kSlots, [&](uint64_t index, const trace::SlotBlock& block) {
      const ProcessIndex i = Find(file, block.image);
      if (i == kNoProcess) return;
      blocks_[Key(i, static_cast<uint32_t>(block.first_fd))] = index;
      if (processes_[i].ended_by == EndedBy::kExit || processes_[i].ended_by == EndedBy::kExec) return;
      // Only an image that ended has put its sums together.
      for (const trace::Slot& slot : block.slots) {
        processes_[i].opened += slot.head.opens;
        processes_[i].closed += slot.head.closes;
        const bool open = slot.head.state == trace::SlotState::kOpen || slot.head.state == trace::SlotState::kUnseen;
        if (slot.head.count != 0 && open) ++processes_[i].open_at_end;
      }
    });
  }
}

bool Model::FindSlot(ProcessIndex process, int fd, trace::Slot* out) const {
  if (fd < 0) return false;
  const auto first = static_cast<uint32_t>(fd) / trace::kSlotsPerBlock * trace::kSlotsPerBlock;
  const auto found = blocks_.find(Key(process, first));
  trace::SlotBlock block;
  const uint32_t file = processes_[process].file;
  if (found == blocks_.end() || !files_[file].Get(RegionKind::kSlots, found->second, &block) ||
      block.image != processes_[process].image) {
    return false;
  }
  *out = block.slots[static_cast<uint32_t>(fd) - first];
  return out->head.count != 0;
}

ProcessEnd Model::EndOf(const Process& process) const {
  const ProcessIndex i = Find(process.file, process.image);
  switch (process.ended_by) {
    case EndedBy::kExec:
      return {EndKind::kExec, 0};
    case EndedBy::kExit:
    case EndedBy::kFinished:
      return {EndKind::kExit, raw_[i].status & 0xff};
    default:
      break;
  }
  const TraceFile& file = files_[process.file];
  const LiveQuery query{process.pid, file.header().boot_id, raw_[i].pid_namespace,
                        timelines_[process.file].Monotonic(raw_[i].started.stamp)};
  const Liveness liveness = options_.liveness ? options_.liveness(query) : Liveness::kUnknown;
  if (liveness == Liveness::kRuns) return {EndKind::kRunning, 0};
  return {liveness == Liveness::kGone ? EndKind::kKilled : EndKind::kUnknown, 0};
}

void Model::DecideEnds() {
  for (Process& process : processes_) process.end = EndOf(process);
  for (uint32_t file = 0; file < files_.size(); ++file) ApplyRunStatus(file);
  for (const Process& process : processes_) session_.is_running |= process.end.kind == EndKind::kRunning;
}

/// What waitpid(2) reported to `fdaudit run` about its child beats what the last image of that process said about
/// itself.
void Model::ApplyRunStatus(uint32_t file) {
  const trace::Header& header = files_[file].header();
  if (header.run_ended != 1) return;
  const double ended_s = Seconds(file, header.run_end.stamp);
  ProcessIndex last = kNoProcess;
  for (ProcessIndex i = 0; i < processes_.size(); ++i) {
    const bool is_here = processes_[i].file == file && processes_[i].pid_namespace == header.pid_namespace;
    if (is_here && processes_[i].pid == header.run_pid && processes_[i].started_s <= ended_s) last = i;
  }
  if (last == kNoProcess || processes_[last].ended_by == EndedBy::kExec) return;
  const int status = header.run_wait_status;
  if (WIFSIGNALED(status)) processes_[last].end = {EndKind::kSignal, WTERMSIG(status)};
  if (WIFEXITED(status)) processes_[last].end = {EndKind::kExit, WEXITSTATUS(status)};
}

void Model::RedactProcesses() {
  for (Process& process : processes_) {
    for (std::string& argument : process.argv) argument = Redacted(argument);
    for (std::string* text : {&process.exe, &process.cwd, &process.exec_target}) *text = Redacted(*text);
  }
}

Losses Model::LossesOf(uint32_t file) const {
  Losses lost;
  const auto count = [&](uint64_t* sum, RegionKind kind) {
    const uint64_t here = files_[file].Lost(kind);
    const uint64_t first = files_[file].FirstLost(kind);
    *sum += here;
    if (here != 0 && first != 0) lost.Add({.since_s = Seconds(file, first)});
  };
  count(&lost.findings, RegionKind::kFindings);
  for (const RegionKind kind :
       {RegionKind::kStackIndex, RegionKind::kStackWords, RegionKind::kModules, RegionKind::kPythonCode}) {
    count(&lost.stacks, kind);
  }
  count(&lost.images, RegionKind::kImages);
  uint64_t blocks = 0;
  count(&blocks, RegionKind::kSlots);
  for (const Process& process : processes_) {
    const bool is_for_want_of_room = process.file == file && (process.reasons & trace::kReasonNoRoom) != 0;
    if (is_for_want_of_room) lost.events += process.events_dropped;
  }
  lost.events = std::max(lost.events, blocks);
  return lost;
}

void Model::DescribeSession() {
  if (!processes_.empty()) session_.command = processes_.front().argv;
  if (!files_.empty()) session_.host = Shown(files_.front().header().host);
  for (const Process& process : processes_) {
    session_.duration_s = std::max({session_.duration_s, process.started_s, process.ended_s});
  }
  for (uint32_t file = 0; file < files_.size(); ++file) {
    const trace::Header& header = files_[file].header();
    session_.duration_s = std::max(session_.duration_s, Seconds(file, header.latest.stamp));
    if (header.run_ended == 1) session_.duration_s = std::max(session_.duration_s, Seconds(file, header.run_end.stamp));
    session_.lost.Add(LossesOf(file));
    session_.folded.images += header.folded_images;
    session_.folded.opened += header.folded_opened;
    session_.folded.closed += header.folded_closed;
    if (files_[file].cut_at() != 0) {
      session_.notes.push_back(files_[file].name() + " is cut off at offset " + std::to_string(files_[file].cut_at()) +
                               " of " + std::to_string(header.file_size) + ": what lay behind it is missing");
    }
  }
}

}  // namespace fdaudit::analyzer
