#pragma once

// An image's lifetime: how it begins, forks, execs and ends, with its record (process/records.h) and its ledger. A
// forked child's begins when something is recorded in it first: many a child does nothing but exec or exit.

#include <cstdint>

#include "shim/base/thread_pointer.h"
#include "shim/process/image.h"
#include "shim/process/vfork_child.h"

namespace fdaudit::shim {

/// Starts the shim before its constructor runs, when another library's constructor calls something intercepted. Returns
/// the image's number, 0 where that is not possible yet. In startup.cc.
uint32_t StartEarly();

/// Begins this process's image; the slow path of CurrentImage(). Returns its number, 0 where nothing is to be recorded.
uint32_t BeginImage(trace::StartedBy how);

/// Begins a vfork child's; its slow path.
uint32_t BeginVforkChild(VforkChild& child);

/// This process's image number; 0 = nothing is to be recorded. Any context. Where it is not 0, the caller has
/// thread-local storage of libc's.
inline uint32_t CurrentImage() {
  if (OnForeignStorage()) return 0;
  const uint32_t image = process_mark->image;
  if (__builtin_expect(image == 0, 0)) return process_mark->silent != 0 ? 0 : BeginImage(trace::StartedBy::kClone);
  VforkChild* child = thread_state.vfork_child;
  if (__builtin_expect(child == nullptr, 1)) return image;
  return child->image != 0 || child->is_over ? child->image : BeginVforkChild(*child);
}

/// The image that exec or the tool started: looks up who it comes from, and what it got.
uint32_t BeginExecedImage(char* const* arguments);

/// This image is not to be recorded, which its record or its predecessor's shall say.
void NoteSkipped();

/// A program was started for which a record had been made: its pid, 0 = unknown. Negative: it was not.
void NoteSpawnEnded(uint32_t image, int pid);

/// A record made for a child that is about to be forked.
struct PreparedChild {
  uint32_t image;        ///< 0 = none
  uint32_t interrupted;  ///< the one of the fork that a signal handler's _Fork has interrupted
};
/// Before fork: makes the child's record, so that a child which only exits or execs need hardly touch a page.
PreparedChild PrepareForChild(trace::StartedBy how);
/// The child that is prepared ends with `status` inside the call that forks, unless it begins its image.
void ExpectEndInside(int status);
/// In the parent, when fork has returned. `pid`: negative = it failed.
void NoteChild(const PreparedChild& child, int pid);

/// Before an exec's system call; and when it came back. Returns the number of the image that ends, 0 = none.
uint32_t NoteExec(const char* target, trace::ExecProblem problem, bool is_known);
void NoteExecFailed();

/// The image ends by exit with `status`. Only the first end counts.
void EndImage(int status);

inline constinit int quick_exit_status = 0;

/// The program is about to enter seccomp: no system call of ours from then on. Whether it will is known only afterwards
/// (a mere question, such as a filter at address 0, fails), and then it may be too late to prepare for it.
class SeccompEntry {
 public:
  /// Backs what recording will need first. `is_strict`: the processor's time-stamp counter is forbidden as well.
  explicit SeccompEntry(bool is_strict);
  /// Takes it back, where the call has failed.
  void Settle(bool failed);

 private:
  uint32_t image_;
  bool is_first_;  ///< it was in none before
  bool reads_tsc_;
};

}  // namespace fdaudit::shim
