#pragma once

// A block of memory for each thread that walks its stack. It is too large for thread-local storage: of that a library
// which the dynamic linker loads late (beside an auditor, say) gets 1,600 bytes at most, and it is carved out of every
// thread's stack.
//
// Any thread, any signal context, no locks. Blocks of threads that have ended are found by asking the kernel, when
// there are no others. A forked child has its parent's blocks, copied.

#include <cstddef>
#include <cstdint>

namespace fdaudit::shim {

inline constexpr size_t kThreadBlockSize = 2880;

/// The calling thread's block, all zero where it is new, nullptr where there is none. 1 ns.
void* ThreadBlockOfCaller();

}  // namespace fdaudit::shim
