#pragma once

// System calls without libc: they leave errno alone, are no cancellation points, and never land in an interposer, ours
// or anyone's. Results are the kernel's: a negative errno on failure. Usable in every context.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace fdaudit::shim {

/// Set once the program is about to enter seccomp (seccomp(2), prctl(PR_SET_SECCOMP)): a filter may answer any system
/// call of ours with death, so from then on there are none.
inline constinit bool system_calls_forbidden = false;

inline bool SystemCallsAllowed() { return !system_calls_forbidden; }

namespace raw {

#if defined(__x86_64__)

inline long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

inline long Call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

#else
#error "raw system calls are written for x86-64 and aarch64; add this architecture's here"
#endif

inline long Address(const void* pointer) { return reinterpret_cast<long>(pointer); }

/// Error results lie in the last page of the address space (syscall(2)).
inline bool Failed(long result) { return static_cast<unsigned long>(result) > -4096UL; }

inline int OpenAt(int directory, const char* path, int flags, int mode = 0) {
  return static_cast<int>(Call(SYS_openat, directory, Address(path), flags, mode));
}
inline int Open(const char* path, int flags, int mode = 0) { return OpenAt(AT_FDCWD, path, flags, mode); }
inline int Close(int fd) { return static_cast<int>(Call(SYS_close, fd)); }
inline long Read(int fd, void* buffer, size_t size) {
  return Call(SYS_read, fd, Address(buffer), static_cast<long>(size));
}
inline long Write(int fd, const void* buffer, size_t size) {
  return Call(SYS_write, fd, Address(buffer), static_cast<long>(size));
}
inline int Fstat(int fd, struct stat* out) { return static_cast<int>(Call(SYS_fstat, fd, Address(out))); }
inline long ReadLink(const char* path, char* buffer, size_t size) {
  return Call(SYS_readlinkat, AT_FDCWD, Address(path), Address(buffer), static_cast<long>(size));
}
inline int Access(const char* path, int mode) {
  return static_cast<int>(Call(SYS_faccessat, AT_FDCWD, Address(path), mode));
}
inline int MakeDirectory(const char* path, int mode) {
  return static_cast<int>(Call(SYS_mkdirat, AT_FDCWD, Address(path), mode));
}
inline int Unlink(const char* path) { return static_cast<int>(Call(SYS_unlinkat, AT_FDCWD, Address(path), 0)); }
inline int Pid() { return static_cast<int>(Call(SYS_getpid)); }
inline int ParentPid() { return static_cast<int>(Call(SYS_getppid)); }
inline int ThreadId() { return static_cast<int>(Call(SYS_gettid)); }

/// fcntl(fd, F_GETFD): the descriptor flags, or -EBADF.
inline int DescriptorFlags(int fd) { return static_cast<int>(Call(SYS_fcntl, fd, F_GETFD)); }
/// Whether the number is open. It reads the table, and never reaches what lies behind the number: poll(2), which could
/// ask for many at once, is answered by drivers, some of which report each event only once (mountinfo, sysctl files).
inline bool IsOpen(int fd) { return DescriptorFlags(fd) >= 0; }

inline uint64_t Nanoseconds(clockid_t clock) {
  struct timespec now = {};
  Call(SYS_clock_gettime, clock, Address(&now));
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<uint64_t>(now.tv_nsec);
}

/// mmap(2), or nullptr on failure.
inline void* Map(size_t size, int protection, int flags, int fd = -1) {
  const long result = Call(SYS_mmap, 0, static_cast<long>(size), protection, flags, fd, 0);
  return Failed(result) ? nullptr : reinterpret_cast<void*>(result);
}
inline void Unmap(void* address, size_t size) { Call(SYS_munmap, Address(address), static_cast<long>(size)); }
inline int Advise(void* address, size_t size, int advice) {
  return static_cast<int>(Call(SYS_madvise, Address(address), static_cast<long>(size), advice));
}

}  // namespace raw
}  // namespace fdaudit::shim
