#pragma once

// What the shim keeps for each thread. It is carved out of every thread's stack, and programs run threads on 16 KB: a
// few hundred bytes, no destructor.

#include <cstdint>

#include "shim/base/raw_io.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Closes from one call path over neighbouring numbers, as they happen (see ledger/findings.h).
struct CloseRun {
  uint32_t stack = 0;
  int32_t first_fd = 0;
  int32_t last_fd = 0;
  int32_t direction = 0;  ///< of the numbers: 1, -1, or 0 while there is but one
  uint32_t length = 0;
  bool never_open_met = false;
  bool is_sweep = false;
  uint32_t findings = 0;  ///< index + 1 of the newest finding made in this run
  uint64_t event = 0;     ///< journal position of the run's failures, see Journal
};

struct Guest;
struct VforkChild;

struct ThreadState {
  uint32_t image = 0;   ///< whose thread this state is of; another image's is stale: reset it
  uint32_t thread = 0;  ///< tid
  /// This is a vfork child, which runs on its parent's memory, and has a ledger of its own (process/vfork_child.h).
  VforkChild* vfork_child = nullptr;
  /// > 0: a vfork child that has none: what it does is not recorded.
  uint32_t vfork_depth = 0;
  /// > 0: others run on this TLS, and the state may not be the caller's (see process/descriptor_table.h).
  uint32_t guests = 0;
  bool own_table = false;    ///< its descriptor table is not the ledger's
  Guest* guest = nullptr;    ///< who it is, where clone made it in this memory
  uint32_t vfork_image = 0;  ///< image number kept for what that child execs; 0 = none yet
  /// A record made for the child of the fork that this thread is about to make. In the child: its own, until it begins.
  uint32_t child_image = 0;
  int32_t listing_fd = -1;  ///< a descriptor on /proc/self/fd that this thread reads
  /// A close that has been recorded and has not returned yet. Found set at the thread's next event, the close never
  /// returned: the thread was cancelled in it, or a signal handler jumped out of it.
  int32_t closing_fd = -1;
  uint32_t closing_count = 0;
  uintptr_t closing_frame = 0;  ///< stack pointer of its caller
  trace::JournalBlock* journal_block = nullptr;
  uint64_t journal_sequence = 0;  ///< of the claimed block; 0 = none
  uint32_t journal_used = 0;      ///< events of it
  CloseRun run = {};
  /// Its latest dup2 over a live descriptor, until its next close; -1 = none.
  int32_t replaced_from = -1;
  int32_t replaced_to = -1;
  /// The latest number that it asked for in vain (F_DUPFD), and by which call path; -1 = none.
  int32_t asked_fd = -1;
  uint32_t asked_stack = 0;
  /// The number of its latest close that failed, and the record of that (index + 1); -1 = none.
  int32_t failed_fd = -1;
  uint32_t failed_finding = 0;
  /// Callers of its latest close_range of one number, and of several.
  uintptr_t single_pc = 0;
  uintptr_t range_pc = 0;
  int32_t inside_fd = -1;  ///< the number on which it is inside a call that may block (ledger/inside.h)
  /// Of the latest read of a watched pipe (ledger/pipe_watch.h).
  uintptr_t reader_pc = 0;
  uintptr_t reader_sp = 0;
  uint32_t reader_stack = 0;
  /// Memory that a call uses which may not return (exec_environment.h, MappedRoom).
  void* room = nullptr;
  size_t room_size = 0;

  /// Whether what it does to descriptors belongs into the ledger.
  bool UsesLedger() const { return vfork_depth == 0 && !own_table; }
};

inline thread_local constinit ThreadState thread_state;

/// The caller runs in its parent's memory: what is the process's, and not a number's, is not its own.
inline bool InVforkChild() { return thread_state.vfork_child != nullptr || thread_state.vfork_depth != 0; }

/// How many threads of the image have recorded something.
struct ThreadCount {
  uint32_t image;
  uint32_t threads;
};
inline constinit ThreadCount thread_count = {};

/// The slow path of ThreadOf(). In process/descriptor_table.cc.
ThreadState& FindThread(uint32_t image);

/// The caller's state, reset when the process image is another one since.
inline ThreadState& ThreadOf(uint32_t image) {
  ThreadState& state = thread_state;
  return __builtin_expect(state.image != image || state.guests != 0, 0) ? FindThread(image) : state;
}

}  // namespace fdaudit::shim
