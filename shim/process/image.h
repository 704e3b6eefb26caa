#pragma once

// Process images: which one this is, how it began, how it ended. A process is told from its parent by a page that the
// kernel wipes on fork (MADV_WIPEONFORK): 0.4 ns a look, and no fork, clone or grandchild can slip by. vfork children
// run on their parent's memory; a mark in the thread's state tells them (ThreadState::vfork_depth). table.h tells of
// clone's children.

#include <cstdint>

#include "shim/trace/format.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {

/// The wiped page's content. All zero in a new process.
struct ProcessMark {
  uint32_t image;      ///< number of this process's image; 0 = not begun
  uint32_t beginning;  ///< tried by whoever begins it, never awaited
  uint32_t silent;     ///< 1 = nothing is recorded in this process (no trace, follow=0, a skipped program)
  uint32_t unused;
  uint64_t looked_at;  ///< stamp at which the kernel was asked what is open, when the image began
};

/// Before the shim has started.
inline constinit ProcessMark mark_before_start = {};
inline constinit ProcessMark* process_mark = &mark_before_start;
/// The kernel wipes the mark on fork (Linux 4.14).
inline constinit bool wiped_on_fork = true;

/// Starts the shim before its constructor runs, when another library's constructor calls something intercepted. Returns
/// the image's number, 0 where that is not possible yet. In startup.cc.
uint32_t StartEarly();

/// Maps the wiped page. False: no memory, nothing can be recorded.
bool MakeProcessMark();

/// Begins this process's image; the slow path of CurrentImage(). Returns its number, 0 where nothing is to be recorded.
uint32_t BeginImage(trace::StartedBy how);

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
/// In the child: CoverageReason bits for its image, once it begins.
inline constinit uint32_t reasons_from_birth = 0;
/// In the child, for kernels that do not wipe the mark (before 4.14).
inline void ForgetParent() {
  if (!wiped_on_fork) *process_mark = ProcessMark();
}

/// This process's image number; 0 = nothing is to be recorded. Any context.
inline uint32_t CurrentImage() {
  const uint32_t image = process_mark->image;
  if (__builtin_expect(image != 0, 1)) return image;
  return process_mark->silent != 0 ? 0 : BeginImage(trace::StartedBy::kClone);
}

inline trace::ImageRecord* ImageOf(uint32_t image) {
  return recorder.At<trace::ImageRecord>(trace::RegionKind::kImages, image - 1);
}

/// Path of this image's executable; set at the start.
inline constinit char executable_path[512] = "";

/// The image that exec or the tool started: looks up who it comes from, and what it got.
uint32_t BeginExecedImage(char* const* arguments);

/// This image is not to be recorded, which its record or its predecessor's shall say.
void NoteSkipped();

/// From now on nothing is recorded in this process and its children.
void FallSilent();

/// This image's ledger may know less than the kernel, for one of trace::CoverageReason.
void NoteReason(uint32_t reason);

/// Before an exec's system call; and when it came back. Returns the number of the image that ends, 0 = none.
uint32_t NoteExec(const char* target, trace::ExecProblem problem, bool is_known);
void NoteExecFailed();

/// The image ends by exit with `status`. Only the first end counts.
void EndImage(int status);

/// The program is about to enter seccomp: no system call of ours from now on. Backs what recording will need first.
void EnterSeccomp();

inline constinit int quick_exit_status = 0;

/// True while the process and those it was forked from never had a second thread (false where libc can't tell).
bool NeverThreaded();
/// The same, or a forked child in which only one thread has ever recorded anything.
bool SingleThreaded();

}  // namespace fdaudit::shim
