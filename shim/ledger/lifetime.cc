#include "shim/ledger/lifetime.h"

#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/guard.h"
#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/thread.h"
#include "shim/base/thread_pointer.h"
#include "shim/ledger/folding.h"
#include "shim/ledger/ledger.h"
#include "shim/ledger/misled_streams.h"
#include "shim/ledger/slots.h"
#include "shim/ledger/standards.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/records.h"
#include "shim/process/spawn.h"
#include "shim/stack/objects.h"
#include "shim/trace/session.h"

namespace fdaudit::shim {
namespace {

using trace::ImageRecord;
using trace::StartedBy;

/// This process is that image from now on.
void Become(uint32_t image) {
  last_image = image;
  Atomic(process_mark->image).store(image, std::memory_order_release);
}

/// The record that the parent has made for this process, 0 where there is none (raw clone).
uint32_t TakePrepared(uint32_t parent) {
  uint32_t image = thread_state.image == parent ? thread_state.child_image : 0;
  if (image == 0) image = ImageOfPid(raw::Pid());  // another thread than fork's comes first
  if (image == 0 || ImageOf(image)->parent != parent || ImageOf(image)->begun != 0) return 0;
  Atomic(process_mark->record).store(image);  // before the record shows that it was taken
  thread_state.child_image = 0;
  Identify(ImageOf(image));
  return image;
}

/// The number of this process's record; 0 where there is no room for one.
uint32_t OwnRecord(uint32_t parent, StartedBy how) {
  if (process_mark->record != 0) {
    Identify(ImageOf(process_mark->record));
    return process_mark->record;
  }
  uint32_t image = TakePrepared(parent);
  if (image != 0) return image;
  image = NewImage(how);
  if (image != 0) Atomic(process_mark->record).store(image);
  return image;
}

/// Whether the caller is to begin the image. No thread waits for another one that does, and a signal handler leaves it
/// to whom it has interrupted. But a handler may leave the beginning by siglongjmp: a frame below the caller's is gone.
__attribute__((noinline)) bool ClaimBeginning() {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const uintptr_t self = OwnThreadBlock().own_address;
  uintptr_t nobody = 0;
  if (!Atomic(process_mark->beginner).compare_exchange_strong(nobody, self)) {
    if (nobody != self || process_mark->beginning > here || OnAlternateStack()) return false;
  }
  Atomic(process_mark->beginning).store(here);
  return process_mark->image == 0;
}

}  // namespace

uint32_t BeginImage(StartedBy how) {
  if (process_mark == &mark_before_start) return StartEarly();
  if (is_silenced || !options.follow || !recorder.recording()) {
    FallSilent();
    return 0;
  }
  // The child is not recorded then; that is in the record that its parent has made.
  if (FindsHiddenSeccomp() && thread_state.image == last_image)
    NoteReason(thread_state.child_image, trace::kReasonSeccomp);
  if (!SystemCallsAllowed() || !ClaimBeginning()) return process_mark->image;
  const uint32_t parent = last_image;
  thread_state.vfork_depth = 0;
  ForgetSharing();
  const uint32_t image = OwnRecord(parent, how);
  if (image == 0) {
    FallSilent();
    return 0;
  }
  ImageRecord* record = ImageOf(image);
  SetParent(record, parent);
  record->reasons |= reasons_from_birth;
  reasons_from_birth = 0;
  SetProgram(record);
  began_by_fork = true;
  Publish(image);
  Become(image);
  process_mark->looked_at = Stamp();
  LedgerBeginForked();
  return image;
}

uint32_t BeginVforkChild(VforkChild& child) {
  child.is_over = true;  // unless all goes well, and for handlers that come in between
  const uint32_t parent = child.outer == nullptr ? process_mark->image : child.outer->image;
  if (!options.follow || !SystemCallsAllowed() || parent == 0) return 0;
  // The ledger of its parent.
  thread_state.vfork_child = child.outer;
  child.reach = Reach();
  const uint32_t inherited = LedgerCountOpen();
  thread_state.vfork_child = &child;
  const uint32_t image = NewImage(StartedBy::kVfork);
  if (image == 0) return 0;
  ImageRecord* record = ImageOf(image);
  SetParent(record, parent);
  record->inherited = inherited;
  record->peak = inherited;
  SetProgram(record);
  child.state = ThreadState();
  child.state.image = image;
  child.state.thread = static_cast<uint32_t>(raw::ThreadId());
  Publish(image);
  child.image = image;
  child.is_over = false;
  return image;
}

PreparedChild PrepareForChild(StartedBy how) {
  const uint32_t image = CurrentImage();
  if (image == 0) return {};
  PreparedChild child = {0, thread_state.child_image};
  if (!options.follow || !SystemCallsAllowed()) return child;
  const ThreadState& self = ThreadOf(image);
  if (&self != &thread_state || !self.UsesLedger()) return child;
  child.image = ClaimImage(how);
  if (child.image == 0) return child;
  ImageRecord* record = ImageOf(child.image);
  HoldForPreparer(record);
  SetParent(record, image);
  record->parent_pid = ImageOf(image)->pid;
  record->pid_namespace = OwnPidNamespace();
  record->inherited = LedgerCountOpen();
  record->peak = record->inherited;
  record->open_at_end = record->inherited;
  SetProgram(record);
  thread_state.child_image = child.image;
  return child;
}

void NoteSpawnEnded(uint32_t image, int pid) {
  if (pid < 0) return GiveBackUnused(image);
  NoteSpawned(image, pid);
  LetGo(image);
}

void ExpectEndInside(int status) {
  if (OnForeignStorage() || thread_state.child_image == 0 || !SystemCallsAllowed()) return;
  ImageRecord* record = ImageOf(thread_state.child_image);
  record->status = status;
  record->ended = Now();
  record->ended_by = trace::EndedBy::kExit;
}

void NoteChild(const PreparedChild& child, int pid) {
  if (child.image == 0) return;
  thread_state.child_image = child.interrupted;
  if (pid < 0) {
    GiveBackUnused(child.image);
    return;
  }
  ImageRecord* record = ImageOf(child.image);
  if (Atomic(record->begun).load() == 0) record->pid = pid;
  Publish(child.image);
  LetGo(child.image);
}

namespace {

/// The program for which the record was made beforehand is this one.
void Join(ImageRecord* record) {
  Identify(record);
  record->awaits_exec = 0;
  ForgetProblem(record);
}

void NoteSuccessor(ImageRecord* record, uint32_t image) {
  ForgetProblem(record);
  Atomic(record->successor).store(image);
}

}  // namespace

uint32_t BeginExecedImage(char* const* arguments) {
  FindPidNamespace();
  const bool is_new_here = origin.file[0] != '\0';
  const uint32_t before = is_new_here ? 0 : ImageBeforeExec();
  uint32_t image = AwaitedRecord(options.image, before);
  const bool awaited = image != 0;
  if (!awaited) image = NewImage(StartedBy::kRun);
  if (image == 0) {
    FallSilent();
    return 0;
  }
  ImageRecord* record = ImageOf(image);
  if (awaited) {
    Join(record);
  } else if (is_new_here) {
    NoteOrigin(record);
  } else {
    FindRelatives(record, before);
  }
  DescribeProgram(record, arguments);
  Publish(image);
  Become(image);
  if (record->predecessor != 0) {
    NoteSuccessor(ImageOf(record->predecessor), image);
    LetGoOfEnded(record->predecessor, true);
  }
  process_mark->looked_at = Stamp();
  LedgerBeginExeced();
  return image;
}

void NoteSkipped() {
  if (origin.file[0] != '\0') return;  // that one's record is out of reach
  FindPidNamespace();
  const uint32_t before = ImageBeforeExec();
  const uint32_t awaited = AwaitedRecord(options.image, before);
  const uint32_t image = awaited != 0 ? awaited : before;
  if (image == 0) return;
  ImageRecord* record = ImageOf(image);
  if (record->ended_by != trace::EndedBy::kExec || record->successor != 0) return;
  NoteProblem(record, trace::ExecProblem::kSkipped);
}

uint32_t NoteExec(const char* target, trace::ExecProblem problem, bool is_known) {
  const uint32_t image = CurrentImage();
  if (image == 0) return 0;
  ThreadState& self = ThreadOf(image);
  const bool is_guest = IsGuestProcess(self);
  if (is_guest && !SystemCallsAllowed()) return 0;
  GuestLeaves(self);
  const uint32_t ending = is_guest ? GuestRecord(self, image) : image;
  if (ending == 0) return 0;
  ImageRecord* record = ImageOf(ending);
  NoteProblem(record, problem);
  record->exec_target = AddOwnText(record, target, strlen(target));
  record->exec_looked_at = is_known ? 1 : 0;
  if (!is_guest) LedgerSumUp();
  if (SystemCallsAllowed()) record->ended = Now();
  record->ended_by = trace::EndedBy::kExec;
  return ending;
}

void NoteExecFailed() {
  const uint32_t image = CurrentImage();
  if (image == 0) return;
  ThreadState& self = ThreadOf(image);
  GuestStays(self);
  const uint32_t ended = IsGuestProcess(self) ? self.vfork_image : image;
  if (ended == 0) return;
  ImageRecord* record = ImageOf(ended);
  record->ended_by = trace::EndedBy::kNone;
  if (record->exec_problem != trace::ExecProblem::kNone) ForgetProblem(record);
}

namespace {

/// Another process than the image's, in its memory. If it has tried to exec, it could not.
void EndGuestProcess(ThreadState& self, int status) {
  const uint32_t image = self.vfork_image;
  EndGuestRecord(self, status);
  GuestEnds(self);
  if (image != 0) LetGoOfEnded(image, false);
}

/// A forked child that ends without ever having recorded anything: its parent's record of it is completed. False: this
/// is no such child.
bool EndUntouchedChild(int status) {
  const uint32_t child = thread_state.child_image;
  if (child == 0 || thread_state.image != last_image || thread_state.vfork_child != nullptr) return false;
  ImageRecord* record = ImageOf(child);
  if (record->begun != 0) return false;  // another thread has recorded something
  record->reasons |= reasons_from_birth;
  record->status = status & 0xff;
  if (SystemCallsAllowed()) record->ended = Now();
  Atomic(record->ended_by).store(trace::EndedBy::kExit, std::memory_order_release);
  FallSilent();  // the record may be another image's from now on
  LetGoOfEnded(child, false);
  return true;
}

}  // namespace

void EndImage(int status) {
  if (OnForeignStorage()) return;
  // What the TLS says of a child is its owner's, who may be about to fork. A new process shares no memory.
  const bool may_be_guest = memory_is_shared && process_mark->image != 0;
  if (!may_be_guest && EndUntouchedChild(status)) return;
  const uint32_t image = CurrentImage();
  if (image == 0) return;
  ThreadState& self = ThreadOf(image);
  if (IsGuestProcess(self)) {
    EndGuestProcess(self, status);
    return;
  }
  ImageRecord* record = ImageOf(image);
  if (record->ended_by == trace::EndedBy::kExit) return;
  if (FindsHiddenSeccomp()) NoteReason(image, trace::kReasonSeccomp);
  VforkChild* child = thread_state.vfork_child;
  if (child == nullptr && GuestsShareTable()) Atomic(record->reasons).fetch_or(trace::kReasonSharedTable);
  if (child == nullptr) {
    for (int fd = 0; fd <= 2; ++fd) NoteStandardLeft(fd);
  }
  NoteMisledStreams(false);
  LedgerEnd(!self.own_table);
  record->status = status & 0xff;
  if (SystemCallsAllowed()) record->ended = Now();
  Atomic(record->ended_by).store(trace::EndedBy::kExit, std::memory_order_release);
  recorder.NoteTime();
  if (record->ledger_released == 0) return;
  // Its ledger, and perhaps its record, may belong to another image from now on.
  if (child == nullptr) {
    FallSilent();
  } else {
    child->image = 0;
    child->is_over = true;
  }
  LetGoOfEnded(image, false);
}

SeccompEntry::SeccompEntry(bool is_strict)
    : image_(CurrentImage()), is_first_(SystemCallsAllowed()), reads_tsc_(stamps_are_tsc) {
  if (image_ != 0 && is_first_) {
    Atomic(ImageOf(image_)->reasons).fetch_or(trace::kReasonSeccomp);
    recorder.BackAhead();
  }
  if (is_first_) LearnModules();
  system_calls_forbidden = true;
  if (is_strict) stamps_are_tsc = false;
}

void SeccompEntry::Settle(bool failed) {
  if (!failed) return;
  stamps_are_tsc = reads_tsc_;
  if (!is_first_) return;
  system_calls_forbidden = false;
  if (image_ != 0) Atomic(ImageOf(image_)->reasons).fetch_and(~static_cast<uint32_t>(trace::kReasonSeccomp));
}

}  // namespace fdaudit::shim
