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

uint32_t& NewestImage(int pid) {
  return recorder.header().newest_image[static_cast<uint32_t>(pid) % trace::kPidBuckets];
}

void AddToPidIndex(ImageRecord* record, uint32_t image) {
  auto place = Atomic(NewestImage(record->pid));
  uint32_t newest = place.load(std::memory_order_relaxed);
  do {
    record->next_with_pid_hash = newest;
  } while (!place.compare_exchange_weak(newest, image));
}

/// Whether the trace knows this pid from another namespace than its creator's.
bool IsKnownElsewhere(int pid) {
  uint32_t image = Atomic(NewestImage(pid)).load(std::memory_order_acquire);
  for (int steps = 0; image != 0 && steps < 4096; ++steps) {
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
  uint32_t image = Atomic(NewestImage(pid)).load(std::memory_order_acquire);
  for (int steps = 0; image != 0 && steps < 4096; ++steps) {
    const ImageRecord* record = ImageOf(image);
    if (record->pid == pid && record->pid_namespace == pid_namespace) return image;
    image = record->next_with_pid_hash;
  }
  return 0;
}

uint32_t ImageBeforeExec() {
  const int pid = raw::Pid();
  const uint32_t found = ImageOfPid(pid);
  if (found != 0 || (pid != 1 && raw::ParentPid() != 0)) return found;
  const uint64_t used = Atomic(recorder.region(RegionKind::kImages).used).load(std::memory_order_relaxed);
  const uint64_t capacity = recorder.Capacity(RegionKind::kImages);
  for (uint64_t image = used < capacity ? used : capacity; image != 0; --image) {
    const ImageRecord* record = ImageOf(static_cast<uint32_t>(image));
    if (recorder.IsBacked(RegionKind::kImages, image - 1) && record->id == image && record->pid == pid &&
        record->pid_namespace == pid_namespace)
      return record->id;
  }
  return 0;
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
  memset(static_cast<void*>(record), 0, sizeof *record);
  record->started_by = how;
  record->descriptor_limit = SoftLimit(RLIMIT_NOFILE);
  record->started = Now();
  return static_cast<uint32_t>(index) + 1;
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

void Publish(uint32_t image) {
  ImageRecord* record = ImageOf(image);
  if (Atomic(record->indexed).exchange(1) == 0) AddToPidIndex(record, image);
  Atomic(record->id).store(image, std::memory_order_release);
}

void SetProgram(ImageRecord* record) {
  record->exe = program.exe;
  record->argv = program.argv;
  record->cwd = program.cwd;
}

void DescribeProgram(ImageRecord* record, char* const* arguments) {
  char buffer[4096];
  program.exe = recorder.AddText(executable_path, strlen(executable_path));
  if (arguments == nullptr) {  // started early
    const long read = ReadSmallFile("/proc/self/cmdline", buffer, sizeof buffer);
    if (read > 0) program.argv = recorder.AddText(buffer, static_cast<size_t>(read));
  } else {
    TextBuilder text(buffer, sizeof buffer);
    for (; *arguments != nullptr && !text.overflowed(); ++arguments) text.Add(*arguments, strlen(*arguments) + 1);
    program.argv = recorder.AddText(buffer, text.size());
  }
  const long length = raw::Call(SYS_getcwd, raw::Address(buffer), sizeof buffer);
  if (length > 1) program.cwd = recorder.AddText(buffer, static_cast<size_t>(length - 1));
  SetProgram(record);
}

void FindRelatives(ImageRecord* record, uint32_t before) {
  if (before != 0 && ImageOf(before)->ended_by == trace::EndedBy::kExec && ImageOf(before)->successor == 0) {
    record->predecessor = before;
    record->parent = ImageOf(before)->parent;
    record->started_by = StartedBy::kExec;
    return;
  }
  record->parent = ImageOfPid(record->parent_pid);
  if (record->parent == 0) return;
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
  if (problem == trace::ExecProblem::kTraceUnreachable) record->reserved1 = static_cast<uint32_t>(OuterUser() + 1);
}

void ForgetProblem(ImageRecord* record) {
  record->exec_problem = trace::ExecProblem::kNone;
  Atomic(record->reasons).fetch_and(~trace::kReasonExecUnaudited);
}

}  // namespace fdaudit::shim
