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
  const uint32_t image = ClaimImage(StartedBy::kSpawn);
  if (image == 0) return 0;
  ImageRecord* record = ImageOf(image);
  HoldForPreparer(record);
  SetParent(record, act.image);
  record->parent_pid = ImageOf(act.image)->pid;
  record->pid_namespace = OwnPidNamespace();
  record->placed_by = act;
  record->awaits_exec = 1;
  SetProgram(record);
  return image;
}

void NoteSpawnTarget(uint32_t image, const char* target, trace::ExecProblem problem, bool is_known) {
  ImageRecord* record = ImageOf(image);
  NoteProblem(record, problem);
  record->exec_looked_at = is_known ? 1 : 0;
  record->exec_target = AddOwnText(record, target, strlen(target), true);
  record->ended = record->started;
  record->ended_by = trace::EndedBy::kExec;
}

void NotePlacement(uint32_t image, int fd, int from) {
  ImageRecord* record = ImageOf(image);
  const uint32_t place = Atomic(record->placement_count).fetch_add(1, std::memory_order_relaxed);
  if (place < trace::kMaxPlacements) record->placements[place] = {fd, from};
}

void NotePlacementsUnknown(uint32_t image) { ImageOf(image)->placement_count = trace::kMaxPlacements + 1; }

void NoteSpawned(uint32_t image, int pid) {
  ImageRecord* record = ImageOf(image);
  if (pid == 0) {
    Atomic(record->id).store(image, std::memory_order_release);  // the program itself will enter its pid in the index
    return;
  }
  int32_t unknown = 0;
  Atomic(record->pid).compare_exchange_strong(unknown, pid);  // the program itself may have been faster
  Publish(image);
}

void NoteGuestPlacement(ThreadState& self, const trace::Act& act, int fd, int from) {
  const uint32_t image = SystemCallsAllowed() ? GuestRecord(self, act.image) : 0;
  if (image == 0) return;
  if (from == trace::kPlacedOpened) ImageOf(image)->placed_by = act;
  NotePlacement(image, fd, from);
}

uint32_t GuestRecord(ThreadState& self, uint32_t parent) {
  if (IsStranger(self)) return 0;
  if (self.vfork_image != 0) return self.vfork_image;
  const uint32_t image = NewImage(self.vfork_depth != 0 ? StartedBy::kSpawn : StartedBy::kClone);
  if (image == 0) return 0;
  ImageRecord* record = ImageOf(image);
  SetParent(record, parent);
  record->awaits_exec = 1;
  SetProgram(record);
  self.vfork_image = image;
  Publish(image);
  return image;
}

void EndGuestRecord(ThreadState& self, int status) {
  if (self.vfork_image == 0) return;
  ImageRecord* record = ImageOf(self.vfork_image);
  record->awaits_exec = 0;
  record->status = status & 0xff;
  record->ended_by = trace::EndedBy::kExit;
}

uint32_t AwaitedRecord(uint64_t hint, uint32_t of_pid) {
  if (hint != 0 && hint <= Atomic(recorder.region(RegionKind::kImages).used).load()) {
    ImageRecord* record = ImageOf(static_cast<uint32_t>(hint));
    // The options may have come here through a program that is not audited, from that one's parent: then this is not
    // the process which the record is of.
    const bool fits =
        record->awaits_exec != 0 && record->started_by == StartedBy::kSpawn && record->parent_pid == raw::ParentPid();
    int32_t pid = 0;
    const int own = raw::Pid();
    if (fits && (Atomic(record->pid).compare_exchange_strong(pid, own) || pid == own)) {
      return static_cast<uint32_t>(hint);
    }
  }
  return of_pid != 0 && ImageOf(of_pid)->awaits_exec != 0 ? of_pid : 0;
}

uint32_t PlacementsOf(const ImageRecord* record) {
  return Atomic(const_cast<uint32_t&>(record->placement_count)).load(std::memory_order_relaxed);
}

bool IsPlaced(const ImageRecord* record, int fd) {
  const uint32_t count = PlacementsOf(record);
  for (uint32_t i = 0; i < count && i < trace::kMaxPlacements; ++i) {
    if (record->placements[i].fd == fd) return true;
  }
  return false;
}

}  // namespace fdaudit::shim
