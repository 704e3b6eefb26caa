#pragma once

// Reading an interpreter's structures. Those of the calling thread are its own while the interpreter is up, and are
// loaded like any memory. Where that is not sure (start, finalization, a signal handler that came between two stores of
// the interpreter) the kernel copies them, and says no where there is nothing.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shim/base/probe.h"

namespace fdaudit::shim::python {

struct Direct {
  static constexpr bool kMayFail = false;
  static bool Copy(void* to, uintptr_t from, size_t size) {
    memcpy(to, reinterpret_cast<const void*>(from), size);
    return true;
  }
};

struct Guarded {
  static constexpr bool kMayFail = true;
  static bool Copy(void* to, uintptr_t from, size_t size) {
    constexpr uintptr_t kLowest = 65536;
    if (from < kLowest || from > (uintptr_t{1} << 56)) return false;
    return CopyMemory(to, from, size) || CopyReadable(to, from, size);
  }

 private:
  /// Where the kernel may not be asked for memory (containers): look first, then load.
  static bool CopyReadable(void* to, uintptr_t from, size_t size) {
    for (uintptr_t at = from & ~uintptr_t{7}; at < from + size; at = (at | (kProbePage - 1)) + 1) {
      if (!IsReadable(at)) return false;
    }
    memcpy(to, reinterpret_cast<const void*>(from), size);
    return true;
  }
};

/// The value at `from`; 0 where it cannot be read.
template <typename Memory, typename T = uint64_t>
T Load(uintptr_t from) {
  T value = 0;
  Memory::Copy(&value, from, sizeof value);
  return value;
}

}  // namespace fdaudit::shim::python
