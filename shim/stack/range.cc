// See range.h.

#include "shim/stack/range.h"

#include <atomic>

#include "shim/base/probe.h"

namespace fdaudit::shim {
namespace {

// Weak: part of glibc's dynamic linker, absent elsewhere.
extern "C" void* __libc_stack_end __attribute__((weak));

/// Own stacks are proven, or believed in, up to this size: 2,048 probes, once in a thread's life. A walk further down
/// takes the page-by-page way.
constexpr uintptr_t kLargestOwnStack = 8 << 20;

/// One thread's proven stack.
struct OwnStack {
  uintptr_t start;  ///< 0 = nothing proven yet
  uintptr_t end;
  uintptr_t hole;  ///< an unreadable page below the top: we were on another stack that lies under ours
};
thread_local OwnStack own_stack;

uintptr_t PageOf(uintptr_t address) { return address & ~(kProbePage - 1); }

uintptr_t ThreadPointer() {
#if defined(__x86_64__)
  uintptr_t pointer;
  asm("mov %%fs:0, %0" : "=r"(pointer));  // the TCB's first word is its own address (System V ABI, TLS variant II)
  return pointer;
#else
  return 0;  // variant I: the TCB lies below the static TLS block, also on top of NPTL stacks; not used yet
#endif
}

/// The first thread's TCB, which lies on no stack. 0 until the constructor has run: until then there is only that
/// thread.
uintptr_t first_thread_pointer;

__attribute__((constructor)) void NoteFirstThread() { first_thread_pointer = ThreadPointer(); }

/// The top of the stack that an address of this thread's own stack would have; 0 where it cannot be on it.
uintptr_t OwnTop(uintptr_t address) {
  uintptr_t top = ThreadPointer();
  if (first_thread_pointer == 0 || top == first_thread_pointer) {
    if (&__libc_stack_end == nullptr) return 0;
    top = reinterpret_cast<uintptr_t>(__libc_stack_end);
  }
  return address < top && top - address <= kLargestOwnStack ? top : 0;
}

/// Proves [page of address, top), or notes the hole.
bool Prove(uintptr_t address, uintptr_t top) {
  const bool known_top = own_stack.end == top && own_stack.start != 0;
  const uintptr_t stop = known_top ? own_stack.start : top;
  if (own_stack.hole != 0 && address < own_stack.hole && own_stack.hole < top) return false;
  for (uintptr_t page = PageOf(address); page < stop; page += kProbePage) {
    if (!IsReadable(page)) {
      own_stack.hole = page;
      return false;
    }
  }
  // Invalid in between: a signal handler may look at any moment.
  own_stack.start = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  own_stack.end = top;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  own_stack.start = PageOf(address);
  return true;
}

}  // namespace

StackRange::StackRange(uintptr_t sp) {
  start_ = own_stack.start;
  end_ = own_stack.end;
  proven_ = start_ != 0 && sp - start_ < end_ - start_;
  if (proven_ || UseOwnStack(sp)) return;
  // The interposer's own frame lies below `sp`, so its page is there; Extend() sees to the rest.
  start_ = PageOf(sp - 8);
  end_ = start_ + kProbePage;
}

bool StackRange::UseOwnStack(uintptr_t address) {
  uintptr_t start = own_stack.start;
  uintptr_t end = own_stack.end;
  proven_ = start != 0 && address - start < end - start;
  if (!proven_) {
    end = OwnTop(address);
    if (end == 0) return false;
    start = PageOf(address);
    proven_ = ProbesWork() && Prove(address, end);
    if (!proven_ && ProbesWork()) return false;
  }
  start_ = start;
  end_ = end;
  return true;
}

__attribute__((noinline)) bool StackRange::Extend(uintptr_t address) {
  if (address % 8 != 0) return false;  // it might straddle pages
  const uintptr_t page = PageOf(address);
  // From an alternate signal stack or a coroutine back to the thread's own.
  if (!proven_ && UseOwnStack(address)) return Contains(address);
  if (proven_ && address >= start_ && address < end_) return false;
  if (!IsReadable(page)) return false;
  proven_ = false;
  if (page == end_) {
    end_ = page + kProbePage;
  } else if (page + kProbePage == start_) {
    start_ = page;
  } else {
    start_ = page;
    end_ = page + kProbePage;
  }
  return true;
}

}  // namespace fdaudit::shim
