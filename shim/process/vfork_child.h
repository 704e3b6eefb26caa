#pragma once

// vfork's children. Such a child runs in its parent's memory until it execs or ends, on the stack and the thread-local
// storage of the thread that made it, which waits meanwhile; the parent's other threads run on. Its descriptor table is
// a copy, so it has a ledger of its own (ledger/child_blocks.h) and an image, as a forked child has, and leaves its
// parent's alone.
//
// The records come from a small pool in static memory. Where it is used up, the child goes unrecorded
// (ThreadState::vfork_depth), and only the program that it execs has an image.
//
// The child enters, its parent leaves; any signal context, no locks, errno untouched.

#include <cstdint>

#include "shim/base/thread.h"

namespace fdaudit::shim {

struct ChildBlock;

struct VforkChild {
  uint32_t taken;      ///< 1 = in use
  uint32_t image;      ///< its own; 0 = not begun
  bool is_over;        ///< nothing more is recorded: it has ended, or there was no room for its image
  VforkChild* outer;   ///< the vfork child that made it; nullptr: the process itself
  uint64_t began;      ///< stamp: its table is the outer one's of that moment
  int32_t reach;       ///< one above the highest number ever open in it
  ChildBlock* blocks;  ///< of its ledger, newest first
  ThreadState state;   ///< stands for thread_state, which is its parent's
};

/// The thread's state before a vfork, in a word that survives in a register: the child may overwrite the stack.
uint32_t VforkMark(const ThreadState& self);

/// First of all in the child.
void EnterVforkChild(ThreadState& self);
/// In the parent, when the child has exec'd or ended: takes back what it has left, down to what was there before.
/// `release(child)` frees its ledger.
void LeaveVforkChildren(ThreadState& self, uint32_t mark, void (*release)(VforkChild&));

/// In a forked child, where the pool is a copy.
void ForgetVforkChildren();

}  // namespace fdaudit::shim
