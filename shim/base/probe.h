#pragma once

// Reading memory that may not be there. For stacks whose bounds are unknown (coroutines, alternate signal stacks) and
// for structures that another thread may be freeing. Raw system calls only, and none once they are forbidden: the
// answer is then "no". Usable in every context; errno stays.

#include <errno.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "shim/base/raw_io.h"

namespace fdaudit::shim {

inline constexpr uintptr_t kProbePage = 4096;

namespace internal {

/// rt_sigprocmask(2) with an impossible `how` copies the set from the caller's memory, then fails with EINVAL; with
/// EFAULT where it could not be copied. It changes nothing, and needs no ptrace permission, which process_vm_readv(2)
/// does and some containers refuse.
inline long CopySignalSet(uintptr_t address) {
  constexpr int kImpossible = ~0;
  constexpr long kSetSize = 8;
  return raw::Call(SYS_rt_sigprocmask, kImpossible, static_cast<long>(address), 0, kSetSize);
}

enum class Probes : uint8_t { kUntried, kWork, kLie };
inline constinit std::atomic<Probes> probes = Probes::kUntried;

}  // namespace internal

/// Whether IsReadable works. Emulated kernels may look at `how` first, and call everything readable: the page at
/// address 0 is not.
inline bool ProbesWork() {
  using internal::Probes;
  if (!SystemCallsAllowed()) return false;
  Probes known = internal::probes.load(std::memory_order_relaxed);
  if (known == Probes::kUntried) {
    constexpr uintptr_t kUnreadable = 8;
    known = internal::CopySignalSet(kUnreadable) == -EFAULT ? Probes::kWork : Probes::kLie;
    internal::probes.store(known, std::memory_order_relaxed);
  }
  return known == Probes::kWork;
}

/// No probes in this process: a tool that checks system calls (Valgrind) would report each as the program's error.
inline void ForgoProbes() { internal::probes.store(internal::Probes::kLie, std::memory_order_relaxed); }

/// Whether the 8 bytes at `address` (a multiple of 8) can be read now; 60 ns. False where probes do not work.
inline bool IsReadable(uintptr_t address) { return ProbesWork() && internal::CopySignalSet(address) == -EINVAL; }

/// Reads the program's texts and arrays, which may be anything before the kernel has accepted them: its answer to a bad
/// pointer is EFAULT. Where probes do not work everything counts as readable.
class ProgramMemory {
 public:
  bool IsReadableAt(uintptr_t address, size_t size) {
    for (uintptr_t page = address & ~(kProbePage - 1); page < address + size; page += kProbePage) {
      if (page == known_) continue;
      if (ProbesWork() && !IsReadable(page)) return false;
      known_ = page;
    }
    return true;
  }

  /// Up to its end, or its first `most` bytes.
  bool HasText(const char* text, size_t most = SIZE_MAX) {
    for (size_t i = 0; i < most; ++i) {
      const auto address = reinterpret_cast<uintptr_t>(text + i);
      if ((i == 0 || address % kProbePage == 0) && !IsReadableAt(address, 1)) return false;
      if (text[i] == '\0') break;
    }
    return true;
  }

 private:
  uintptr_t known_ = 1;  ///< a page that was readable a moment ago
};

/// Copies `size` bytes from this process's memory, all or nothing.
inline bool CopyMemory(void* to, uintptr_t from, size_t size) {
  if (!SystemCallsAllowed()) return false;
  struct iovec local = {to, size};
  struct iovec remote = {reinterpret_cast<void*>(from), size};
  const long pid = raw::Pid();
  return raw::Call(SYS_process_vm_readv, pid, raw::Address(&local), 1, raw::Address(&remote), 1, 0) ==
         static_cast<long>(size);
}

}  // namespace fdaudit::shim
