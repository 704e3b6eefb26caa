#pragma once

// The private slots of a vfork child (process/vfork_child.h): a copy of its parent's, made group by group when it first
// looks at one of them, as fork's copy is made page by page. The parent's other threads go on meanwhile, so the copy
// shows each number as it was when the child's table was made. One thread, any signal context.

#include "shim/ledger/mirror.h"
#include "shim/process/vfork_child.h"

namespace fdaudit::shim {

/// The child's block number `index`; nullptr where its parent has none, unless `make`, or for lack of memory.
PrivateBlock* ChildBlockFor(VforkChild& child, uint32_t index, bool make);

/// The slot of `fd` in a block of the child's is its own from now on.
void CopyGroup(VforkChild& child, PrivateBlock* block, int fd);
/// It is already.
bool HasGroup(const PrivateBlock* block, int fd);

/// For LeaveVforkChildren.
void ReleaseChildBlocks(VforkChild& child);

}  // namespace fdaudit::shim
