#include "shim/process/spawn.h"

#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/raw_io.h"
#include "shim/base/thread.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/records.h"

namespace fdaudit::shim {

using trace::ImageRecord;
using trace::RegionKind;
using trace::StartedBy;

uint32_t PrepareSpawn(const trace::Act& act) {
  ImageRecord* record = ClaimImage(StartedBy::kSpawn);
  if (record == nullptr) return 0;
  record->parent = act.image;
  record->parent_pid = ImageOf(act.image)->pid;
  record->pid_namespace = OwnPidNamespace();
  record->placed_by = act;
  record->awaits_exec = 1;
  SetProgram(record);
  return NumberOf(record);
}

void NoteSpawnTarget(uint32_t image, const char* target, trace::ExecProblem problem, bool is_known) {
  ImageRecord* record = ImageOf(image);
  NoteProblem(record, problem);
  record->exec_looked_at = is_known ? 1 : 0;
  record->exec_target = recorder.AddText(target, strlen(target));
  record->ended = record->started;
  record->ended_by = trace::EndedBy::kExec;
}

void NotePlacement(uint32_t image, int fd, int from) {
  ImageRecord* record = ImageOf(image);
  const uint32_t place = record->placement_count++;
  if (place < trace::kMaxPlacements) record->placements[place] = {fd, from};
}

void NotePlacementsUnknown(uint32_t image) { ImageOf(image)->placement_count = trace::kMaxPlacements + 1; }

void NoteSpawned(uint32_t image, int pid) {
  ImageRecord* record = ImageOf(image);
  if (pid < 0) {
    recorder.Release(RegionKind::kImages, &ImageRecord::next_with_pid_hash, image - 1);
    return;
  }
  if (pid == 0) {
    Atomic(record->id).store(image, std::memory_order_release);  // the program itself will enter its pid in the index
    return;
  }
  int32_t unknown = 0;
  Atomic(record->pid).compare_exchange_strong(unknown, pid);  // the program itself may have been faster
  Publish(record);
}

void NoteGuestPlacement(ThreadState& self, const trace::Act& act, int fd, int from) {
  ImageRecord* record = SystemCallsAllowed() ? GuestRecord(self, act.image) : nullptr;
  if (record == nullptr) return;
  if (from == trace::kPlacedOpened) record->placed_by = act;
  NotePlacement(NumberOf(record), fd, from);
}

ImageRecord* GuestRecord(ThreadState& self, uint32_t parent) {
  if (IsStranger(self)) return nullptr;
  if (self.vfork_image != 0) return ImageOf(self.vfork_image);
  ImageRecord* record = NewImage(self.vfork_depth != 0 ? StartedBy::kVfork : StartedBy::kClone);
  if (record == nullptr) return nullptr;
  record->parent = parent;
  record->awaits_exec = 1;
  SetProgram(record);
  self.vfork_image = NumberOf(record);
  Publish(record);
  return record;
}

void EndGuestRecord(ThreadState& self, int status) {
  if (self.vfork_image == 0) return;
  ImageRecord* record = ImageOf(self.vfork_image);
  record->awaits_exec = 0;
  record->status = status & 0xff;
  record->ended_by = trace::EndedBy::kExit;
}

ImageRecord* AwaitedRecord(uint64_t hint, ImageRecord* of_pid) {
  if (hint != 0 && hint <= Atomic(recorder.region(RegionKind::kImages).used).load()) {
    ImageRecord* record = ImageOf(static_cast<uint32_t>(hint));
    // The options may have come here through a program that is not audited, from that one's parent: then this is not
    // the process which the record is of.
    const bool fits =
        record->awaits_exec != 0 && record->started_by == StartedBy::kSpawn && record->parent_pid == raw::ParentPid();
    int32_t pid = 0;
    const int own = raw::Pid();
    if (fits && (Atomic(record->pid).compare_exchange_strong(pid, own) || pid == own)) return record;
  }
  return of_pid != nullptr && of_pid->awaits_exec != 0 ? of_pid : nullptr;
}

bool IsPlaced(const ImageRecord* record, int fd) {
  for (uint32_t i = 0; i < record->placement_count && i < trace::kMaxPlacements; ++i) {
    if (record->placements[i].fd == fd) return true;
  }
  return false;
}

}  // namespace fdaudit::shim
