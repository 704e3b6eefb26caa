#pragma once

// Whose thread-local storage this is. clone(CLONE_SETTLS) lets a program run tasks on storage that libc did not make:
// Chromium's sandbox passes a buffer of zeros. There neither the shim's thread-local variables exist nor errno's
// address
// (&errno is computed from the first word that the thread pointer points to). So before the first access to either, the
// storage must be known to be libc's. On any other the shim passes calls on, and records nothing.
//
// Any context.

#include <cerrno>
#include <cstdint>

#include "shim/base/probe.h"
#include "shim/base/raw_io.h"

namespace fdaudit::shim {

/// Tasks in this memory whose thread pointer may point to nothing at all. While there are any, the kernel is asked.
inline constinit uint32_t unreadable_thread_pointers = 0;

#if defined(__x86_64__)

/// The words of the thread control block that libc fills with the block's own address (tcbhead_t, tcb and self).
struct ThreadBlock {
  uintptr_t own_address;
  uintptr_t vector;
  uintptr_t self;
};

inline bool IsOfLibc(const ThreadBlock& block) { return block.own_address != 0 && block.own_address == block.self; }

inline bool ThreadPointerIsReadable() {
  constexpr int kGet = 0x1003;  // ARCH_GET_FS
  uintptr_t pointer = 0;
  if (!SystemCallsAllowed() || raw::Call(SYS_arch_prctl, kGet, raw::Address(&pointer)) != 0) return true;
  return pointer % alignof(ThreadBlock) == 0 && IsReadable(pointer) &&
         IsReadable(pointer + offsetof(ThreadBlock, self));
}

inline ThreadBlock OwnThreadBlock() {
  ThreadBlock block = {};
  asm("mov %%fs:0, %0" : "=r"(block.own_address));
  asm("mov %%fs:16, %0" : "=r"(block.self));
  return block;
}

#else

/// Variant I of the ABI: the thread pointer points to the address of the dynamic thread vector, and to nothing that
/// would have the block's own address.
struct ThreadBlock {
  uintptr_t vector;
};

inline bool IsOfLibc(const ThreadBlock& block) { return block.vector != 0; }

inline bool ThreadPointerIsReadable() {
  return !SystemCallsAllowed() || IsReadable(reinterpret_cast<uintptr_t>(__builtin_thread_pointer()));
}

inline ThreadBlock OwnThreadBlock() { return *static_cast<const ThreadBlock*>(__builtin_thread_pointer()); }

#endif

/// The caller's thread-local storage is not libc's: neither a thread-local variable nor errno may be touched.
inline bool OnForeignStorage() {
  if (__builtin_expect(unreadable_thread_pointers != 0, 0) && !ThreadPointerIsReadable()) return true;
  return __builtin_expect(!IsOfLibc(OwnThreadBlock()), 0);
}

/// Whether a task that is given this thread pointer can read what it points to, and whether that is libc's.
inline bool IsReadableBlock(uintptr_t pointer) {
  return pointer % alignof(ThreadBlock) == 0 && IsReadable(pointer) && IsReadable(pointer + sizeof(ThreadBlock) - 8);
}
inline bool IsBlockOfLibc(uintptr_t pointer) {
  return IsReadableBlock(pointer) && IsOfLibc(*reinterpret_cast<const ThreadBlock*>(pointer));
}

/// errno, where there is one. Elsewhere 0, and nothing is set.
inline int LastError() { return OnForeignStorage() ? 0 : errno; }
inline void SetLastError(int error) {
  if (!OnForeignStorage()) errno = error;
}

}  // namespace fdaudit::shim
