#include "shim/process/exec_target.h"

#include <elf.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/base/thread.h"
#include "shim/base/thread_pointer.h"
#include "shim/process/image.h"

namespace fdaudit::shim {
namespace {

using trace::ExecProblem;

#if defined(__x86_64__)
constexpr uint16_t kThisMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kThisMachine = EM_AARCH64;
#endif

constexpr size_t kHead = 256;  // what the kernel reads of a script; of an ELF file, the first program headers too
constexpr size_t kLongestPath = 512;
constexpr int kMostInterpreters = 5;  // the kernel's limit
constexpr int kMostSegments = 64;
constexpr char kDefaultPath[] = "/bin:/usr/bin";  // execvp's, where there is no PATH

/// One file that execve(2) is asked to load, on its way from a script to the last interpreter.
struct Candidate {
  int directory = AT_FDCWD;
  struct stat status = {};
  char path[kLongestPath] = "";
  alignas(Elf64_Phdr) char head[kHead] = "";
};

/// Whether a descriptor of ours, for a moment, can disturb no other thread.
bool TableIsOurs() {
  if (OnForeignStorage()) return false;
  return SingleThreaded() || (InVforkChild() && thread_state.guests == 0);
}

/// Without a handler that runs meanwhile, and may never come back.
class SignalsBlocked {
 public:
  SignalsBlocked() { Set(SIG_SETMASK, &all_, &before_); }
  ~SignalsBlocked() { Set(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  static void Set(int how, const uint64_t* mask, uint64_t* before) {
    raw::Call(SYS_rt_sigprocmask, how, raw::Address(mask), raw::Address(before), sizeof *mask);
  }
  uint64_t all_ = ~uint64_t{0};
  uint64_t before_ = 0;
};

long ReadAt(int fd, void* buffer, size_t size, uint64_t offset) {
  return raw::Call(SYS_pread64, fd, raw::Address(buffer), static_cast<long>(size), static_cast<long>(offset));
}

/// A file that execve(2) would load, judging by its mode. Others may not even be opened: a device or a FIFO would
/// notice.
bool IsExecutable(const struct stat& status) { return S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0; }

bool Find(Candidate& candidate) {
  const int flags = candidate.path[0] == '\0' ? AT_EMPTY_PATH : 0;
  return raw::Call(SYS_newfstatat, candidate.directory, raw::Address(candidate.path), raw::Address(&candidate.status),
                   flags) == 0 &&
         IsExecutable(candidate.status);
}

/// As execvp(3): the first that can be executed.
bool FindInPath(const char* name, Candidate& candidate) {
  const char* list = getenv("PATH");
  if (list == nullptr) list = kDefaultPath;
  for (;; ++list) {
    const size_t length = LengthUntil(list, ":");
    TextBuilder path(candidate.path, sizeof candidate.path);
    path.Add(list, length).Add(length == 0 ? "" : "/").Add(name);
    if (!path.overflowed() && Find(candidate)) return true;
    list += length;
    if (*list == '\0') return false;
  }
}

bool Find(const ProgramName& name, Candidate& candidate) {
  if (name.path == nullptr || name.path[0] == '\0') {
    candidate.directory = name.directory;
    return name.directory >= 0 && !name.sought && Find(candidate);
  }
  if (name.sought && strchr(name.path, '/') == nullptr) return FindInPath(name.path, candidate);
  candidate.directory = name.directory;
  return !TextBuilder(candidate.path, sizeof candidate.path).Add(name.path).overflowed() && Find(candidate);
}

/// The kernel marks a program that gets other rights than its real user has; the dynamic linker preloads nothing then.
bool GainsRights(const struct stat& status, int fd) {
  constexpr mode_t kSetGroup = S_ISGID | S_IXGRP;
  const bool sets_user = (status.st_mode & S_ISUID) != 0;
  const bool sets_group = (status.st_mode & kSetGroup) == kSetGroup;
  const long user = raw::Call(SYS_getuid);
  if ((sets_user ? static_cast<long>(status.st_uid) : raw::Call(SYS_geteuid)) != user) return true;
  if ((sets_group ? static_cast<long>(status.st_gid) : raw::Call(SYS_getegid)) != raw::Call(SYS_getgid)) return true;
  // root gains nothing by capabilities.
  return user != 0 && raw::Call(SYS_fgetxattr, fd, raw::Address("security.capability"), 0, 0) > 0;
}

bool IsOfGlibc(const char* linker) {
  const char* name = BaseName(linker);
  return StartsWith(name, "ld-linux") || StartsWith(name, "ld-lsb") || StartsWith(name, "ld-2.") ||
         StartsWith(name, "ld.so");
}

ExecOutlook LookAtLinker(Candidate& candidate, int fd, const Elf64_Phdr& segment) {
  const size_t size = segment.p_filesz < kHead ? segment.p_filesz : kHead - 1;
  const uint64_t offset = segment.p_offset;  // read here: the segment lies in `head`
  const long read = ReadAt(fd, candidate.head, size, offset);
  if (read <= 0) return {};
  candidate.head[read] = '\0';
  return {IsOfGlibc(candidate.head) ? ExecProblem::kNone : ExecProblem::kForeign, true, false};
}

ExecOutlook LookAtElf(Candidate& candidate, int fd, size_t size) {
  if (size < sizeof(Elf64_Ehdr)) return {};
  Elf64_Ehdr header;
  memcpy(&header, candidate.head, sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kThisMachine) {
    return {ExecProblem::kForeign, true, true};
  }
  if (GainsRights(candidate.status, fd)) return {ExecProblem::kSetId, true, false};
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMostSegments) return {};
  constexpr size_t kSegmentsAtOnce = kHead / sizeof(Elf64_Phdr);
  const auto* segments = reinterpret_cast<const Elf64_Phdr*>(candidate.head);
  for (size_t first = 0; first < header.e_phnum; first += kSegmentsAtOnce) {
    size_t count = header.e_phnum - first;
    if (count > kSegmentsAtOnce) count = kSegmentsAtOnce;
    const size_t bytes = count * sizeof(Elf64_Phdr);
    if (ReadAt(fd, candidate.head, bytes, header.e_phoff + first * sizeof(Elf64_Phdr)) != static_cast<long>(bytes)) {
      return {};
    }
    for (size_t i = 0; i < count; ++i) {
      if (segments[i].p_type == PT_INTERP) return LookAtLinker(candidate, fd, segments[i]);
    }
  }
  return {ExecProblem::kStatic, true, false};
}

/// Puts the interpreter of the script in `head` in the candidate's place.
bool GoOnWithInterpreter(Candidate& candidate) {
  const char* start = candidate.head + 2 + strspn(candidate.head + 2, " \t");
  const size_t length = LengthUntil(start, " \t\n");
  if (length == 0 || start + length >= candidate.head + kHead - 1) return false;
  candidate.directory = AT_FDCWD;
  TextBuilder(candidate.path, sizeof candidate.path).Add(start, length);
  return Find(candidate);
}

/// Reads the file's head. The descriptor is to be closed, unless it is the program's own; negative: nothing was read.
int OpenCandidate(Candidate& candidate, size_t* size) {
  const bool is_own = candidate.path[0] == '\0';
  const int fd = is_own ? candidate.directory
                        : raw::OpenAt(candidate.directory, candidate.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fd;
  const long read = ReadAt(fd, candidate.head, kHead - 1, 0);
  *size = read > 0 ? static_cast<size_t>(read) : 0;
  candidate.head[*size] = '\0';
  return fd;
}

ExecOutlook LookAt(Candidate& candidate) {
  for (int depth = 0; depth <= kMostInterpreters; ++depth) {
    size_t size = 0;
    const bool is_own = candidate.path[0] == '\0';
    const int fd = OpenCandidate(candidate, &size);
    if (fd < 0) break;
    const bool is_elf = size >= SELFMAG && memcmp(candidate.head, ELFMAG, SELFMAG) == 0;
    const bool is_script = size > 2 && memcmp(candidate.head, "#!", 2) == 0;
    const ExecOutlook outlook = is_elf ? LookAtElf(candidate, fd, size) : ExecOutlook{};
    if (!is_own) raw::Close(fd);
    if (!is_script || !GoOnWithInterpreter(candidate)) return outlook;
  }
  return {};
}

}  // namespace

__attribute__((noinline)) ExecOutlook LookAtProgram(const ProgramName& name) {
  if (FindsHiddenSeccomp() || !SystemCallsAllowed() || !TableIsOurs()) return {};
  const SignalsBlocked blocked;
  Candidate candidate;
  return Find(name, candidate) ? LookAt(candidate) : ExecOutlook{};
}

}  // namespace fdaudit::shim
