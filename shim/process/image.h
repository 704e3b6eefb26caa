#pragma once

// Which process image this is (ledger/lifetime.h: how it begins and ends). A process differs from its parent by a page
// that the kernel wipes on fork (MADV_WIPEONFORK): 0.4 ns a look, and no fork, clone or grandchild can slip by. vfork
// children run on their parent's memory; a mark in the thread's state identifies them (ThreadState::vfork_depth).
// For clone's children see descriptor_table.h.

#include <cstdint>

#include "shim/trace/format.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {

/// The wiped page's content. All zero in a new process.
struct ProcessMark {
  uint32_t image;   ///< number of this process's image; 0 = not begun
  uint32_t record;  ///< that of the image which is about to begin; 0 = none yet
  uint32_t silent;  ///< 1 = nothing is recorded in this process (no trace, follow=0, a skipped program)
  uint32_t unused;
  uint64_t looked_at;   ///< stamp at which the kernel was asked what is open, when the image began
  uintptr_t beginner;   ///< the thread that begins it (its control block); never awaited by others
  uintptr_t beginning;  ///< its stack frame
};

/// Before the shim has started.
inline constinit ProcessMark mark_before_start = {};
inline constinit ProcessMark* process_mark = &mark_before_start;
/// The kernel wipes the mark on fork (Linux 4.14).
inline constinit bool wiped_on_fork = true;

/// Maps the wiped page. False: no memory, nothing can be recorded.
bool MakeProcessMark();

/// The image that began last in this memory: in a forked child that has not begun its own, its parent's.
inline constinit uint32_t last_image = 0;
/// It began in a process that was forked from an audited one.
inline constinit bool began_by_fork = false;

/// In a forked child: CoverageReason bits for its image, once it begins.
inline constinit uint32_t reasons_from_birth = 0;
/// In the child, for kernels that do not wipe the mark (before 4.14).
inline void ForgetParent() {
  if (!wiped_on_fork) *process_mark = ProcessMark();
}

inline trace::ImageRecord* ImageOf(uint32_t image) {
  return recorder.At<trace::ImageRecord>(trace::RegionKind::kImages, image - 1);
}

/// Path of this image's executable; set at the start.
inline constinit char executable_path[512] = "";

/// From now on nothing is recorded in this process and its children.
void FallSilent();
inline constinit bool is_silenced = false;

/// The ledger of `image` may know less than the kernel, for one of trace::CoverageReason. 0: of no image.
void NoteReason(uint32_t image, uint32_t reason);

/// True while the process and those it was forked from never had a second thread (false where libc doesn't know).
bool NeverThreaded();
/// The same, or a forked child in which only one thread has ever recorded anything.
bool SingleThreaded();

}  // namespace fdaudit::shim
