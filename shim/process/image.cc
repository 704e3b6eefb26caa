#include "shim/process/image.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/dynamic_linker.h"
#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/base/thread.h"
#include "shim/ledger/ledger.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/records.h"
#include "shim/process/spawn.h"
#include "shim/stack/objects.h"
#include "shim/trace/session.h"

namespace fdaudit::shim {
namespace {

using trace::ImageRecord;
using trace::RegionKind;
using trace::StartedBy;

/// One byte that pthread_create clears; nullptr before glibc 2.32, or before 2.34 where dlsym isn't there. By a
/// look-up, since even a weak reference carries the version that an older glibc lacks.
const char* libc_single_threaded = nullptr;

__attribute__((constructor)) void NoteSingleThreaded() {
  libc_single_threaded = static_cast<const char*>(LookUp(RTLD_DEFAULT, "__libc_single_threaded"));
}

/// The same of older ones: an int in the thread's control block (sysdeps/x86_64/nptl/tls.h, multiple_threads) that is
/// set in who makes a thread, and in the thread that is made.
bool HasSeenThreads() {
#if defined(__x86_64__)
  uint32_t multiple_threads = 1;
  asm("movl %%fs:0x18, %0" : "=r"(multiple_threads));
  return multiple_threads != 0;
#else
  return true;
#endif
}

/// Private, so that a forked child finds its parent's here.
constinit uint32_t last_image = 0;
constinit bool silence = false;
/// What a forked child's record takes over from its parent's, whose page it then need not touch.
struct Program {
  trace::Text exe;
  trace::Text argv;
  trace::Text cwd;
};
constinit Program program = {};
constinit bool forked_here = false;
constinit uint64_t pid_namespace = 0;

uint32_t& NewestImage(int pid) {
  return recorder.header().newest_image[static_cast<uint32_t>(pid) % trace::kPidBuckets];
}

/// The newest image of a process, 0 if there is none here.
uint32_t ImageOfPid(int pid) {
  uint32_t image = Atomic(NewestImage(pid)).load(std::memory_order_acquire);
  for (int steps = 0; image != 0 && steps < 4096; ++steps) {
    const ImageRecord* record = ImageOf(image);
    if (record->pid == pid && record->pid_namespace == pid_namespace) return image;
    image = record->next_with_pid_hash;
  }
  return 0;
}

/// The newest image of this process. In the first process of a pid namespace, and those that come into it from outside:
/// whoever forked it knew another pid of it, and may have entered that in the index.
uint32_t ImageBeforeExec() {
  const int pid = raw::Pid();
  const uint32_t found = ImageOfPid(pid);
  if (found != 0 || (pid != 1 && raw::ParentPid() != 0)) return found;
  const trace::Region& images = recorder.region(RegionKind::kImages);
  for (uint64_t image = images.used < images.capacity ? images.used : images.capacity; image != 0; --image) {
    const ImageRecord* record = ImageOf(static_cast<uint32_t>(image));
    if (recorder.IsBacked(RegionKind::kImages, image - 1) && record->id == image && record->pid == pid &&
        record->pid_namespace == pid_namespace)
      return record->id;
  }
  return 0;
}

void AddToPidIndex(ImageRecord* record, uint32_t image) {
  auto place = Atomic(NewestImage(record->pid));
  uint32_t newest = place.load(std::memory_order_relaxed);
  do {
    record->next_with_pid_hash = newest;
  } while (!place.compare_exchange_weak(newest, image));
}

/// Which namespace this process's pids are of. Asking /proc costs an exec 80 µs, so it is done only where it can differ
/// from the trace's creator: in a namespace's first process, and in one whose parent lies outside of it (setns, a
/// second fork after unshare). Their children take it over by fork.
void NotePidNamespace() {
  if (pid_namespace == 0) pid_namespace = recorder.header().pid_namespace;
  if (raw::Pid() == 1 || raw::ParentPid() == 0) pid_namespace = PidNamespace();
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

}  // namespace

ImageRecord* ClaimImage(StartedBy how) {
  int64_t index = recorder.TakeReleased(RegionKind::kImages, &ImageRecord::next_with_pid_hash);
  if (index < 0) index = recorder.Claim(RegionKind::kImages);
  if (index < 0) return nullptr;
  auto* record = recorder.At<ImageRecord>(RegionKind::kImages, static_cast<uint64_t>(index));
  memset(static_cast<void*>(record), 0, sizeof *record);
  record->started_by = how;
  record->descriptor_limit = SoftLimit(RLIMIT_NOFILE);
  record->started = Now();
  return record;
}

void Identify(ImageRecord* record) {
  NotePidNamespace();
  record->pid = raw::Pid();
  record->parent_pid = raw::ParentPid();
  record->pid_namespace = pid_namespace;
  record->ended_by = trace::EndedBy::kNone;
  record->begun = 1;
}

ImageRecord* NewImage(StartedBy how) {
  ImageRecord* record = ClaimImage(how);
  if (record != nullptr) Identify(record);
  return record;
}

uint32_t NumberOf(const ImageRecord* record) {
  return static_cast<uint32_t>(record - recorder.At<ImageRecord>(RegionKind::kImages, 0)) + 1;
}

void Publish(ImageRecord* record) {
  if (Atomic(record->indexed).exchange(1) == 0) AddToPidIndex(record, NumberOf(record));
  Atomic(record->id).store(NumberOf(record), std::memory_order_release);
}

void SetProgram(ImageRecord* record) {
  record->exe = program.exe;
  record->argv = program.argv;
  record->cwd = program.cwd;
}

uint64_t OwnPidNamespace() { return pid_namespace; }

namespace {

/// This process is that image from now on.
uint32_t Become(const ImageRecord* record) {
  last_image = NumberOf(record);
  Atomic(process_mark->image).store(last_image, std::memory_order_release);
  return last_image;
}

/// The record that the parent has made for this process, nullptr where there is none (raw clone).
ImageRecord* TakePrepared(uint32_t parent) {
  uint32_t image = thread_state.image == parent ? thread_state.child_image : 0;
  thread_state.child_image = 0;
  if (image == 0) image = ImageOfPid(raw::Pid());  // another thread than fork's comes first
  if (image == 0 || ImageOf(image)->parent != parent || ImageOf(image)->begun != 0) return nullptr;
  Identify(ImageOf(image));
  return ImageOf(image);
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

}  // namespace

bool MakeProcessMark() {
  void* page = raw::Map(trace::kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (page == nullptr) return false;
  // Before Linux 4.14 the page is not wiped; then the fork wrapper alone tells a new process.
  wiped_on_fork = raw::Advise(page, trace::kPageSize, MADV_WIPEONFORK) == 0;
  process_mark = static_cast<ProcessMark*>(page);
  return true;
}

void FallSilent() {
  silence = true;
  process_mark->silent = 1;
  process_mark->image = 0;
}

uint32_t BeginImage(StartedBy how) {
  if (process_mark == &mark_before_start) return StartEarly();
  if (silence || !options.follow || !recorder.recording()) {
    FallSilent();
    return 0;
  }
  if (!SystemCallsAllowed() || Atomic(process_mark->beginning).exchange(1) != 0) return 0;
  const uint32_t parent = last_image;
  thread_state.vfork_depth = 0;
  ForgetSharing();
  ImageRecord* record = TakePrepared(parent);
  if (record == nullptr) record = NewImage(how);
  if (record == nullptr) {
    FallSilent();
    return 0;
  }
  record->parent = parent;
  record->reasons |= reasons_from_birth;
  reasons_from_birth = 0;
  SetProgram(record);
  forked_here = true;
  Publish(record);
  const uint32_t image = Become(record);
  process_mark->looked_at = Stamp();
  LedgerBeginForked();
  return image;
}

PreparedChild PrepareForChild(StartedBy how) {
  PreparedChild child = {0, thread_state.child_image};
  const uint32_t image = CurrentImage();
  if (image == 0 || !options.follow || !SystemCallsAllowed()) return child;
  const ThreadState& self = ThreadOf(image);
  if (&self != &thread_state || !self.UsesLedger()) return child;
  ImageRecord* record = ClaimImage(how);
  if (record == nullptr) return child;
  record->parent = image;
  record->parent_pid = ImageOf(image)->pid;
  record->pid_namespace = pid_namespace;
  record->inherited = LedgerCountOpen();
  record->peak = record->inherited;
  record->open_at_end = record->inherited;
  SetProgram(record);
  child.image = NumberOf(record);
  thread_state.child_image = child.image;
  return child;
}

void ExpectEndInside(int status) {
  if (thread_state.child_image == 0 || !SystemCallsAllowed()) return;
  ImageRecord* record = ImageOf(thread_state.child_image);
  record->status = status;
  record->ended = Now();
  record->ended_by = trace::EndedBy::kExit;
}

void NoteChild(const PreparedChild& child, int pid) {
  if (child.image == 0) return;
  thread_state.child_image = child.interrupted;
  if (pid < 0) {
    recorder.Release(RegionKind::kImages, &ImageRecord::next_with_pid_hash, child.image - 1);
    return;
  }
  ImageRecord* record = ImageOf(child.image);
  if (Atomic(record->begun).load() == 0) record->pid = pid;
  Publish(record);
}

void NoteReason(uint32_t reason) {
  const uint32_t image = CurrentImage();
  if (image != 0) Atomic(ImageOf(image)->reasons).fetch_or(reason);
}

namespace {

/// It was audited after all, whatever was thought of it beforehand.
void ForgetProblem(ImageRecord* record) {
  record->exec_problem = trace::ExecProblem::kNone;
  Atomic(record->reasons).fetch_and(~trace::kReasonExecUnaudited);
}

/// The image before this one is in another file, where this process's pid finds it if nothing else does.
void NoteOrigin(ImageRecord* record) {
  record->origin_file = recorder.AddText(origin.file, strlen(origin.file));
  record->origin_image = static_cast<uint32_t>(origin.image);
  if (origin.image != 0) record->started_by = StartedBy::kExec;
}

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
  NotePidNamespace();
  // What the image before knew of its namespace is gone.
  if (IsKnownElsewhere(raw::Pid()) || IsKnownElsewhere(raw::ParentPid())) pid_namespace = PidNamespace();
  const bool is_new_here = origin.file[0] != '\0';
  const uint32_t before = is_new_here ? 0 : ImageBeforeExec();
  ImageRecord* record = AwaitedRecord(options.image, before == 0 ? nullptr : ImageOf(before));
  const bool awaited = record != nullptr;
  if (!awaited) record = NewImage(StartedBy::kRun);
  if (record == nullptr) {
    FallSilent();
    return 0;
  }
  if (awaited) {
    Join(record);
  } else if (is_new_here) {
    NoteOrigin(record);
  } else {
    FindRelatives(record, before);
  }
  DescribeProgram(record, arguments);
  Publish(record);
  const uint32_t image = Become(record);
  if (record->predecessor != 0) NoteSuccessor(ImageOf(record->predecessor), image);
  process_mark->looked_at = Stamp();
  LedgerBeginExeced();
  return image;
}

void NoteSkipped() {
  if (origin.file[0] != '\0') return;  // that one's record is out of reach
  NotePidNamespace();
  const uint32_t before = ImageBeforeExec();
  ImageRecord* predecessor = before == 0 ? nullptr : ImageOf(before);
  ImageRecord* record = AwaitedRecord(options.image, predecessor);
  if (record == nullptr) record = predecessor;
  if (record == nullptr || record->ended_by != trace::EndedBy::kExec || record->successor != 0) return;
  record->exec_problem = trace::ExecProblem::kSkipped;
  Atomic(record->reasons).fetch_or(trace::kReasonExecUnaudited);
}

uint32_t NoteExec(const char* target, trace::ExecProblem problem, bool is_known) {
  const uint32_t image = CurrentImage();
  if (image == 0) return 0;
  ThreadState& self = ThreadOf(image);
  const bool is_guest = IsGuestProcess(self);
  if (is_guest && !SystemCallsAllowed()) return 0;
  GuestLeaves(self);
  ImageRecord* record = is_guest ? GuestRecord(self, image) : ImageOf(image);
  if (record == nullptr) return 0;
  if (problem != trace::ExecProblem::kNone) Atomic(record->reasons).fetch_or(trace::kReasonExecUnaudited);
  record->exec_target = recorder.AddText(target, strlen(target));
  record->exec_problem = problem;
  record->exec_looked_at = is_known ? 1 : 0;
  if (!is_guest) LedgerSumUp();
  if (SystemCallsAllowed()) record->ended = Now();
  record->ended_by = trace::EndedBy::kExec;
  return NumberOf(record);
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
  EndGuestRecord(self, status);
  GuestEnds(self);
}

/// A forked child that ends without ever having recorded anything: its parent's record of it is completed. False: this
/// is no such child.
bool EndUntouchedChild(int status) {
  const uint32_t child = thread_state.child_image;
  if (child == 0 || thread_state.image != last_image) return false;
  ImageRecord* record = ImageOf(child);
  if (record->begun != 0) return false;  // another thread has recorded something
  record->reasons |= reasons_from_birth;
  record->status = status & 0xff;
  if (SystemCallsAllowed()) record->ended = Now();
  Atomic(record->ended_by).store(trace::EndedBy::kExit, std::memory_order_release);
  return true;
}

}  // namespace

void EndImage(int status) {
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
  if (GuestsShareTable()) Atomic(record->reasons).fetch_or(trace::kReasonSharedTable);
  LedgerEnd(!self.own_table);
  record->status = status & 0xff;
  if (SystemCallsAllowed()) record->ended = Now();
  Atomic(record->ended_by).store(trace::EndedBy::kExit, std::memory_order_release);
  recorder.NoteTime();
  // Its ledger may belong to another image from now on.
  if (record->ledger_released != 0) FallSilent();
}

void EnterSeccomp() {
  const uint32_t image = CurrentImage();
  if (image != 0) {
    Atomic(ImageOf(image)->reasons).fetch_or(trace::kReasonSeccomp);
    recorder.BackAhead();
  }
  LearnModules();
  system_calls_forbidden = true;
}

bool NeverThreaded() {
  if (memory_is_shared) return false;
  return libc_single_threaded != nullptr ? *libc_single_threaded != 0 : !HasSeenThreads();
}

bool SingleThreaded() {
  // libc doesn't take it back in a forked child, which has begun with one thread.
  return NeverThreaded() ||
         (!memory_is_shared && forked_here && thread_count.image == last_image && thread_count.threads <= 1);
}

}  // namespace fdaudit::shim
