// The second referee: a library to be preloaded into real programs, which at every call of the functions below walks
// the stack twice, with the shim's walk and with libunwind's local unwinder, and compares frame by frame. It also
// checks that the thread's memory of its last path gives the hash of a fresh walk. run_frames.py starts it and reads
// what it counts.
//
// Not the shim: it links libunwind, with all that this does to a program (docs/unwinding.md).
//
// REFEREE_COUNTERS names a file of kCounters 64-bit counters, shared by the process tree; REFEREE_LOG one to which
// differences are appended as text.

#define UNW_LOCAL_ONLY
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "shim/stack/cfi_rules.h"
#include "shim/stack/walk.h"

namespace {

using fdaudit::shim::CallerRegisters;
using fdaudit::shim::CfaKind;
using fdaudit::shim::Module;
using fdaudit::shim::StackTrace;

/// Order of the counters in the file; run_frames.py has the same list.
enum Counter {
  kWalks,
  kFrames,
  kHashDiffers,
  kWeBrokeOff,       ///< our walk ended as broken, libunwind's went on
  kTheyBrokeOff,     ///< libunwind's ended with an error, ours went on
  kDifferentFrame,   ///< unexplained
  kBothBrokeOff,     ///< both ended with an error at the same frame
  kGuessedEqual,     ///< behind a frame without unwind table both guessed, and all the frames are the same
  kGuessedOurs,      ///< … we arrived at the outermost frame, libunwind elsewhere
  kGuessedTheirs,    ///< … we did not arrive there
  kOtherRegister,    ///< we broke off where the CFA hangs on a register that we do not follow
  kDifferentLength,  ///< one ended as complete, the other went on: unexplained
  kThreads,
  kCounters,
};

constexpr uint32_t kDepth = fdaudit::shim::kMaxDepth;
constexpr uint64_t kMaxLogged = 200;

std::atomic<uint64_t>* counters;
std::atomic<uint64_t> logged;
thread_local bool inside __attribute__((tls_model("initial-exec")));
thread_local bool counted __attribute__((tls_model("initial-exec")));

void Count(Counter counter, uint64_t by = 1) { counters[counter].fetch_add(by, std::memory_order_relaxed); }

const char* NameOf(uintptr_t pc, Module* module) {
  if (!fdaudit::shim::FindModule(pc, module)) return "(no module)";
  return module->name[0] != '\0' ? module->name : "(executable)";
}

void Log(const char* what, const StackTrace& ours, const uintptr_t* theirs, uint32_t their_count, uint32_t at) {
  if (logged.fetch_add(1) >= kMaxLogged || getenv("REFEREE_LOG") == nullptr) return;
  char text[2000];
  int length = snprintf(text, sizeof(text), "%s at frame %u (ours %u, libunwind %u), pid %d\n", what, at, ours.count,
                        their_count, getpid());
  const uint32_t first = at > 2 ? at - 2 : 0;
  for (uint32_t i = first; i < at + 2 && length < 1500; ++i) {
    Module module;
    const uintptr_t our_pc = i < ours.count ? ours.pcs[i] : 0;
    const uintptr_t their_pc = i < their_count ? theirs[i] : 0;
    const char* our_name = NameOf(our_pc, &module);
    length += snprintf(text + length, sizeof(text) - static_cast<size_t>(length), "  #%u %lx %s+%lx | %lx\n", i, our_pc,
                       our_name, our_pc - module.load_bias, their_pc);
  }
  const int fd = static_cast<int>(
      syscall(SYS_openat, AT_FDCWD, getenv("REFEREE_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  syscall(SYS_write, fd, text, static_cast<size_t>(length));
  syscall(SYS_close, fd);
}

/// libunwind's frames outwards from the caller. Negative: it ended with that error.
int LibunwindFrames(uintptr_t caller_pc, uintptr_t* pcs, uint32_t* count) {
  unw_context_t context;
  unw_cursor_t cursor;
  unw_getcontext(&context);
  unw_init_local(&cursor, &context);
  int result = 0;
  bool started = false;
  *count = 0;
  while (*count < kDepth) {
    unw_word_t pc = 0;
    unw_get_reg(&cursor, UNW_REG_IP, &pc);
    started = started || pc == caller_pc;
    if (started && pc == 0) return 0;
    if (started) pcs[(*count)++] = pc;
    result = unw_step(&cursor);
    if (result <= 0) return result;
  }
  return 1;
}

CfaKind KindAt(const StackTrace& trace, uint32_t i) {
  Module module;
  const uintptr_t pc = trace.pcs[i] - ((trace.exact[i / 64] >> i % 64 & 1) != 0 ? 0 : 1);
  if (!fdaudit::shim::FindModule(pc, &module)) return CfaKind::kGuess;
  return fdaudit::shim::FindCfiRule(module, pc, pc).rule.cfa();
}

/// Behind a frame without a rule nobody knows for sure; that the walk arrives at the outermost frame says that it did
/// not go astray.
void CompareGuesses(const StackTrace& ours, const uintptr_t* theirs, uint32_t their_count, uint32_t at) {
  if (ours.count == their_count && memcmp(ours.pcs, theirs, their_count * sizeof(theirs[0])) == 0) {
    return Count(kGuessedEqual);
  }
  Count(ours.broken ? kGuessedTheirs : kGuessedOurs);
  Log(ours.broken ? "guess: we broke off" : "guess: libunwind elsewhere", ours, theirs, their_count,
      ours.broken && ours.count > at ? ours.count : at);
}

void Compare(const StackTrace& ours, const uintptr_t* theirs, uint32_t their_count, int their_end) {
  const uint32_t common = ours.count < their_count ? ours.count : their_count;
  for (uint32_t i = 0; i < common; ++i) {
    if (i > 0 && KindAt(ours, i - 1) == CfaKind::kGuess) return CompareGuesses(ours, theirs, their_count, i);
    if (ours.pcs[i] != theirs[i]) {
      Count(kDifferentFrame);
      return Log("different frame", ours, theirs, their_count, i);
    }
    Count(kFrames);
  }
  if (ours.count == their_count) return Count(kBothBrokeOff, ours.broken && their_end < 0);
  const CfaKind last = common > 0 ? KindAt(ours, common - 1) : CfaKind::kUnknown;
  if (last == CfaKind::kGuess) return CompareGuesses(ours, theirs, their_count, common);
  if (ours.broken && ours.count < their_count) {
    if (last == CfaKind::kUnknown) return Count(kOtherRegister);
    Count(kWeBrokeOff);
    return Log("we broke off", ours, theirs, their_count, common);
  }
  if (their_end < 0 && their_count < ours.count) {
    Count(kTheyBrokeOff);
    return Log("libunwind broke off", ours, theirs, their_count, common);
  }
  Count(kDifferentLength);
  Log("different length", ours, theirs, their_count, common);
}

__attribute__((noinline)) void Event(const CallerRegisters& caller) {
  if (counters == nullptr || inside) return;
  inside = true;
  const int saved_errno = errno;
  if (!counted) Count(kThreads);
  counted = true;
  // Threads with small stacks exist, and 2 KiB for each would be too much for them.
  static thread_local StackTrace* ours;
  static thread_local uintptr_t* theirs;
  if (ours == nullptr) {
    ours = static_cast<StackTrace*>(malloc(sizeof(StackTrace)));
    theirs = static_cast<uintptr_t*>(malloc(kDepth * sizeof(uintptr_t)));
  }
  const uint64_t remembered = fdaudit::shim::HashStack(caller, kDepth, false);
  fdaudit::shim::FillStack(caller, kDepth, ours);
  Count(kWalks);
  if (ours->hash != remembered) {
    Count(kHashDiffers);
    Log("hash differs", *ours, theirs, 0, 0);
  }
  uint32_t their_count = 0;
  const int their_end = LibunwindFrames(caller.pc, theirs, &their_count);
  Compare(*ours, theirs, their_count, their_end);
  errno = saved_errno;
  inside = false;
}

__attribute__((constructor)) void Start() {
  const char* path = getenv("REFEREE_COUNTERS");
  if (path == nullptr) return;
  const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC));
  if (fd < 0) return;
  void* mapped = mmap(nullptr, kCounters * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_NONE);
  if (mapped != MAP_FAILED) counters = static_cast<std::atomic<uint64_t>*>(mapped);
}

template <typename Function>
Function Real(const char* name, Function*) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

#define REFEREE(type, name, parameters, arguments)                                  \
  EXPORT type name parameters {                                                     \
    Event(FDAUDIT_CALLER_REGISTERS());                                              \
    static type(*real) parameters = nullptr;                                        \
    if (real == nullptr) real = Real(#name, static_cast<decltype(&real)>(nullptr)); \
    return real arguments;                                                          \
  }

#define REFEREE_OPEN(name)                                                          \
  EXPORT int name(const char* path, int flags, ...) {                               \
    Event(FDAUDIT_CALLER_REGISTERS());                                              \
    static int (*real)(const char*, int, ...) = nullptr;                            \
    if (real == nullptr) real = Real(#name, static_cast<decltype(&real)>(nullptr)); \
    va_list list;                                                                   \
    va_start(list, flags);                                                          \
    const int mode = va_arg(list, int);                                             \
    va_end(list);                                                                   \
    return real(path, flags, mode);                                                 \
  }

#define REFEREE_OPENAT(name)                                                        \
  EXPORT int name(int directory, const char* path, int flags, ...) {                \
    Event(FDAUDIT_CALLER_REGISTERS());                                              \
    static int (*real)(int, const char*, int, ...) = nullptr;                       \
    if (real == nullptr) real = Real(#name, static_cast<decltype(&real)>(nullptr)); \
    va_list list;                                                                   \
    va_start(list, flags);                                                          \
    const int mode = va_arg(list, int);                                             \
    va_end(list);                                                                   \
    return real(directory, path, flags, mode);                                      \
  }

REFEREE_OPEN(open)
REFEREE_OPEN(open64)
REFEREE_OPENAT(openat)
REFEREE_OPENAT(openat64)
REFEREE(int, close, (int fd), (fd))
REFEREE(int, dup2, (int from, int to), (from, to))
REFEREE(int, pipe2, (int* fds, int flags), (fds, flags))
REFEREE(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
REFEREE(FILE*, fopen, (const char* path, const char* mode), (path, mode))
REFEREE(FILE*, fopen64, (const char* path, const char* mode), (path, mode))
REFEREE(int, fclose, (FILE * file), (file))
REFEREE(DIR*, opendir, (const char* path), (path))
REFEREE(int, closedir, (DIR * directory), (directory))
REFEREE(ssize_t, read, (int fd, void* buffer, size_t size), (fd, buffer, size))
REFEREE(ssize_t, write, (int fd, const void* buffer, size_t size), (fd, buffer, size))
