#include "shim/process/records.h"

#include <sys/resource.h>

#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/trace/session.h"

namespace fdaudit::shim {
namespace {

constexpr int kMostSteps = 4096;  // along a chain that others may change

using trace::ImageRecord;
using trace::RegionKind;
using trace::StartedBy;

/// What a forked child's record takes over from its parent's, whose page it then need not touch.
struct Program {
  trace::Text exe;
  trace::Text argv;
  trace::Text cwd;
};
constinit Program program = {};

constinit uint64_t pid_namespace = 0;

uint32_t BucketOf(int pid) { return static_cast<uint32_t>(pid) % trace::kPidBuckets; }

uint32_t& NewestImage(uint32_t bucket) { return recorder.header().newest_image[bucket]; }

void AddToPidIndex(ImageRecord* record, uint32_t image, uint32_t bucket) {
  auto place = Atomic(NewestImage(bucket));
  uint32_t newest = place.load(std::memory_order_relaxed);
  do {
    record->next_with_pid_hash = newest;
  } while (!place.compare_exchange_weak(newest, image));
}

/// Whether the trace knows this pid from another namespace than its creator's.
bool IsKnownElsewhere(int pid) {
  uint32_t image = Atomic(NewestImage(BucketOf(pid))).load(std::memory_order_acquire);
  for (int steps = 0; image != 0 && steps < kMostSteps; ++steps) {
    const ImageRecord* record = ImageOf(image);
    if (record->pid == pid && record->pid_namespace != recorder.header().pid_namespace) return true;
    image = record->next_with_pid_hash;
  }
  return false;
}

/// Asking /proc costs an exec 80 µs, so it is done only where the namespace can differ from that of the trace's
/// creator: in a namespace's first process, and in one whose parent lies outside of it (setns, a second fork after
/// unshare). Their children take it over by fork.
void NotePidNamespace() {
  if (pid_namespace == 0) pid_namespace = recorder.header().pid_namespace;
  if (raw::Pid() == 1 || raw::ParentPid() == 0) pid_namespace = PidNamespace();
}

}  // namespace

uint32_t ImageOfPid(int pid) {
  const uint32_t bucket = BucketOf(pid);
  uint32_t image = Atomic(NewestImage(bucket)).load(std::memory_order_acquire);
  for (int steps = 0; image != 0 && steps < kMostSteps; ++steps) {
    const ImageRecord* record = ImageOf(image);
    if (Atomic(const_cast<uint32_t&>(record->indexed)).load(std::memory_order_acquire) != bucket + 1) break;
    if (record->pid == pid && record->pid_namespace == pid_namespace) return image;
    image = record->next_with_pid_hash;
  }
  return 0;
}

namespace {

/// Whether the process that left this image by exec is the one that is beginning here. A pid is used again; so is the
/// inode of a pid namespace, whose pids start over. Whoever has it now was started after that exec.
bool IsThisProcess(const ImageRecord& before) {
  constexpr uint64_t kSoon = 100000000;  // ns: no pid comes round so fast, and asking /proc takes 80 µs
  if (before.awaits_exec != 0) return true;
  if (before.ended_by != trace::EndedBy::kExec || before.successor != 0) return false;
  const bool is_at_home = pid_namespace == recorder.header().pid_namespace;
  if (is_at_home && raw::Nanoseconds(CLOCK_MONOTONIC) - before.ended.monotonic_ns < kSoon) return true;
  return ProcessStart() <= before.ended.monotonic_ns;
}

/// The same of all images: in a namespace's first process, whose parent knows it by another pid.
uint32_t NewestOfPid(int pid) {
  const uint64_t used = Atomic(recorder.region(RegionKind::kImages).used).load(std::memory_order_relaxed);
  const uint64_t capacity = recorder.Capacity(RegionKind::kImages);
  uint32_t newest = 0;
  for (uint32_t image = 1; image <= used && image <= capacity; ++image) {
    if (!recorder.IsBacked(RegionKind::kImages, image - 1)) continue;
    const ImageRecord* record = ImageOf(image);
    if (record->id != image || record->pid != pid || record->pid_namespace != pid_namespace) continue;
    if (newest == 0 || record->started.stamp > ImageOf(newest)->started.stamp) newest = image;
  }
  return newest;
}

}  // namespace

uint32_t ImageBeforeExec() {
  const int pid = raw::Pid();
  const bool is_first = pid == 1 || raw::ParentPid() == 0;
  const uint32_t found = is_first ? NewestOfPid(pid) : ImageOfPid(pid);
  return found != 0 && IsThisProcess(*ImageOf(found)) ? found : 0;
}

void FindPidNamespace() {
  NotePidNamespace();
  // What the image before knew of its namespace is gone.
  if (IsKnownElsewhere(raw::Pid()) || IsKnownElsewhere(raw::ParentPid())) pid_namespace = PidNamespace();
}

uint64_t OwnPidNamespace() { return pid_namespace; }

uint32_t ClaimImage(StartedBy how) {
  int64_t index = recorder.TakeReleased(RegionKind::kImages, &ImageRecord::next_with_pid_hash);
  if (index < 0) index = recorder.Claim(RegionKind::kImages);
  if (index < 0) return 0;
  auto* record = recorder.At<ImageRecord>(RegionKind::kImages, static_cast<uint64_t>(index));
  const trace::Text room = record->room;
  memset(static_cast<void*>(record), 0, sizeof *record);
  record->room = room;
  record->references = 1;
  record->started_by = how;
  record->descriptor_limit = SoftLimit(RLIMIT_NOFILE);
  record->started = Now();
  return static_cast<uint32_t>(index) + 1;
}

void SetParent(ImageRecord* record, uint32_t parent) {
  if (record->parent == parent) return;
  record->parent = parent;
  if (parent != 0) Atomic(ImageOf(parent)->references).fetch_add(1);
}

void SetPredecessor(ImageRecord* record, uint32_t predecessor) {
  record->predecessor = predecessor;
  Atomic(ImageOf(predecessor)->references).fetch_add(1);
}

void HoldForPreparer(ImageRecord* record) { Atomic(record->references).fetch_add(1); }

void Keep(uint32_t image) {
  if (image != 0) Atomic(ImageOf(image)->is_kept).store(1, std::memory_order_relaxed);
}

namespace {

/// Room for `size` bytes of the record's texts, for it and those that will have it later.
void MakeRoom(ImageRecord* record, uint64_t size) {
  constexpr uint64_t kGrain = 64;
  if (record->room.length >= size) return;
  size = (size + kGrain - 1) / kGrain * kGrain;
  const int64_t offset = recorder.Claim(RegionKind::kText, size);
  if (offset >= 0) record->room = {static_cast<uint32_t>(offset), static_cast<uint32_t>(size)};
}

}  // namespace

trace::Text AddOwnText(ImageRecord* record, const char* text, size_t length, bool begins) {
  // Texts of one occupant follow each other; only its own process, or before that its preparer, writes them.
  if (record->room.length == 0) MakeRoom(record, length);
  const trace::Text room = record->room;
  const trace::Text texts[] = {record->exe, record->argv, record->cwd, record->exec_target};
  uint32_t used = 0;
  for (const trace::Text& known : texts) {
    const bool is_in_room = known.offset - room.offset < room.length && known.length <= room.length;
    if (!begins && is_in_room && known.offset - room.offset + known.length > used)
      used = known.offset - room.offset + known.length;
  }
  const trace::Text place = {room.offset + used, static_cast<uint32_t>(length)};
  char* to = length == 0 || used > room.length || length > room.length - used ? nullptr : recorder.Rewritable(place);
  if (to == nullptr) return recorder.AddText(text, length);
  memcpy(to, text, length);
  return place;
}

void Identify(ImageRecord* record) {
  NotePidNamespace();
  record->pid = raw::Pid();
  record->parent_pid = raw::ParentPid();
  record->pid_namespace = pid_namespace;
  record->ended_by = trace::EndedBy::kNone;
  record->begun = 1;
}

uint32_t NewImage(StartedBy how) {
  const uint32_t image = ClaimImage(how);
  if (image != 0) Identify(ImageOf(image));
  return image;
}

bool TakeFromPidIndex(uint32_t image) {
  ImageRecord* record = ImageOf(image);
  const uint32_t bucket = Atomic(record->indexed).load() - 1;
  auto busy = Atomic(recorder.header().index_busy);
  uint64_t nobody = 0;
  if (bucket >= trace::kPidBuckets || !busy.compare_exchange_strong(nobody, 1)) return false;
  const uint32_t next = record->next_with_pid_hash;
  uint32_t newest = image;
  bool is_out = Atomic(NewestImage(bucket)).compare_exchange_strong(newest, next);
  uint32_t before = newest;
  for (int steps = 0; !is_out && before != 0 && steps < kMostSteps; ++steps) {
    uint32_t& link = ImageOf(before)->next_with_pid_hash;
    before = Atomic(link).load();
    is_out = before == image;
    if (is_out) Atomic(link).store(next);
  }
  if (is_out) Atomic(record->indexed).store(0);
  busy.store(0);
  return is_out;
}

void Publish(uint32_t image) {
  ImageRecord* record = ImageOf(image);
  const uint32_t bucket = BucketOf(record->pid);
  uint32_t indexed = 0;
  if (!Atomic(record->indexed).compare_exchange_strong(indexed, bucket + 1)) {
    // The parent knows the first process of a pid namespace by another pid.
    const bool is_moved = indexed != bucket + 1 && TakeFromPidIndex(image) &&
                          Atomic(record->indexed).compare_exchange_strong(indexed = 0, bucket + 1);
    if (!is_moved) return Atomic(record->id).store(image, std::memory_order_release);
  }
  AddToPidIndex(record, image, bucket);
  Atomic(record->id).store(image, std::memory_order_release);
}

void SetProgram(ImageRecord* record) {
  record->exe = program.exe;
  record->argv = program.argv;
  record->cwd = program.cwd;
}

void DescribeProgram(ImageRecord* record, char* const* arguments) {
  constexpr size_t kRoomForOthers = 160;  // the working directory, and what it execs
  char buffer[4096];
  long length = 0;
  if (arguments == nullptr) {  // started early
    length = ReadSmallFile("/proc/self/cmdline", buffer, sizeof buffer);
  } else {
    TextBuilder text(buffer, sizeof buffer);
    for (; *arguments != nullptr && !text.overflowed(); ++arguments) text.Add(*arguments, strlen(*arguments) + 1);
    length = static_cast<long>(text.size());
  }
  const size_t arguments_size = length > 0 ? static_cast<size_t>(length) : 0;
  record->argv = record->cwd = record->exec_target = {};
  MakeRoom(record, strlen(executable_path) + arguments_size + kRoomForOthers);
  record->exe = program.exe = AddOwnText(record, executable_path, strlen(executable_path), true);
  record->argv = program.argv = AddOwnText(record, buffer, arguments_size);
  length = raw::Call(SYS_getcwd, raw::Address(buffer), sizeof buffer);
  if (length > 1) program.cwd = AddOwnText(record, buffer, static_cast<size_t>(length - 1));
  record->cwd = program.cwd;
}

void FindRelatives(ImageRecord* record, uint32_t before) {
  if (before != 0 && ImageOf(before)->ended_by == trace::EndedBy::kExec && ImageOf(before)->successor == 0) {
    SetPredecessor(record, before);
    SetParent(record, ImageOf(before)->parent);
    record->started_by = StartedBy::kExec;
    return;
  }
  const uint32_t parent = ImageOfPid(record->parent_pid);
  if (parent == 0) return;
  SetParent(record, parent);
  record->started_by = StartedBy::kSpawn;
}

void NoteOrigin(ImageRecord* record) {
  record->origin_file = recorder.AddText(origin.file, strlen(origin.file));
  record->origin_image = static_cast<uint32_t>(origin.image);
  if (origin.image != 0) record->started_by = StartedBy::kExec;
}

void NoteProblem(ImageRecord* record, trace::ExecProblem problem) {
  record->exec_problem = problem;
  if (problem == trace::ExecProblem::kNone) return;
  Atomic(record->reasons).fetch_or(trace::kReasonExecUnaudited);
  if (problem == trace::ExecProblem::kTraceUnreachable) record->next_user = static_cast<uint32_t>(OuterUser() + 1);
}

void ForgetProblem(ImageRecord* record) {
  record->exec_problem = trace::ExecProblem::kNone;
  Atomic(record->reasons).fetch_and(~trace::kReasonExecUnaudited);
}

}  // namespace fdaudit::shim
