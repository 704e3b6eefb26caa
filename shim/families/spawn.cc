// Programs that libc starts by itself: posix_spawn, system, popen. Their children run none of our code before their
// exec, so what they do with descriptors is recorded before it (shim/process/spawn.h).

#include "shim/process/spawn.h"

#include <spawn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/base/probe.h"
#include "shim/base/text.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/families/stream_numbers.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/exec_environment.h"
#include "shim/process/exec_target.h"

extern "C" FILE* _IO_popen(const char*, const char*);

namespace fdaudit::shim {
namespace {

/// An element of posix_spawn_file_actions_t, as glibc has it since 2.2; later releases added tags at the end. Reading
/// the list needs no memory of ours and misses nothing; intercepting the functions that make it would mean to keep a
/// copy of each list, in a table of bounded size, and to lose track where a list is copied by assignment.
struct FileAction {
  enum class Tag : int { kClose, kDup2, kOpen, kChdir, kFchdir, kCloseFrom, kTcSetPgrp };
  Tag tag;
  union {
    int fd;  // kClose, kCloseFrom
    struct {
      int from;
      int to;
    } dup2;
    struct {
      int fd;
      char* path;
      int flags;
      mode_t mode;
    } open;
  };
};
static_assert(sizeof(void*) != 8 || sizeof(FileAction) == 32);

/// False: this is no list as we know them.
bool IsPlausible(const posix_spawn_file_actions_t& list) {
  constexpr int kMost = 1 << 20;
  if (list.__used < 0 || list.__used > list.__allocated || list.__used > kMost) return false;
  const auto first = reinterpret_cast<uintptr_t>(list.__actions);
  const uintptr_t last = first + (static_cast<size_t>(list.__used) - 1) * sizeof(FileAction);
  return first % alignof(FileAction) == 0 && IsReadable(first) && IsReadable(last);
}

void RecordFileActions(const CallSite& site, uint32_t image, const posix_spawn_file_actions_t* list) {
  using What = ChildAction::What;
  if (image == 0 || list == nullptr || list->__used == 0) return;
  if (!IsPlausible(*list)) {
    NotePlacementsUnknown(image);
    return;
  }
  const auto* actions = reinterpret_cast<const FileAction*>(list->__actions);
  for (int i = 0; i < list->__used; ++i) {
    const FileAction& action = actions[i];
    switch (action.tag) {
      case FileAction::Tag::kClose:
        RecordChildAction(site, image, {What::kCloses, action.fd});
        break;
      case FileAction::Tag::kDup2:
        RecordChildAction(site, image, {What::kCopies, action.dup2.to, action.dup2.from});
        break;
      case FileAction::Tag::kOpen:
        RecordChildAction(site, image, {What::kOpens, action.open.fd});
        break;
      case FileAction::Tag::kCloseFrom:
        RecordChildAction(site, image, {What::kClosesFrom, action.fd});
        break;
      default:
        break;
    }
  }
}

/// posix_spawn was refused for a number: that of a copy's source, which no action before it had opened.
void RecordBadActions(const CallSite& site, const posix_spawn_file_actions_t* list) {
  if (list == nullptr || list->__used == 0 || !IsPlausible(*list)) return;
  const auto* actions = reinterpret_cast<const FileAction*>(list->__actions);
  const auto opens = [](const FileAction& action, int fd) {
    return (action.tag == FileAction::Tag::kDup2 && action.dup2.to == fd && action.dup2.from != fd) ||
           (action.tag == FileAction::Tag::kOpen && action.open.fd == fd);
  };
  for (int i = 0; i < list->__used; ++i) {
    const bool uses = actions[i].tag == FileAction::Tag::kDup2 || actions[i].tag == FileAction::Tag::kFchdir;
    const int fd = actions[i].tag == FileAction::Tag::kDup2 ? actions[i].dup2.from : actions[i].fd;
    bool is_opened = false;
    for (int j = 0; j < i; ++j) is_opened = is_opened || opens(actions[j], fd);
    if (uses && !is_opened) RecordBadUse(site, {fd, kNoDescriptor, false});
  }
}

/// The program's name; an empty one where the child looks for it in another directory than this process.
ProgramName NameIn(const char* path, bool sought, const posix_spawn_file_actions_t* list) {
  const bool anywhere = path[0] == '/' || list == nullptr || list->__used == 0;
  if (!anywhere && !IsPlausible(*list)) return {nullptr, -1};
  const auto* actions = anywhere ? nullptr : reinterpret_cast<const FileAction*>(list->__actions);
  for (int i = 0; !anywhere && i < list->__used; ++i) {
    const FileAction::Tag tag = actions[i].tag;
    if (tag == FileAction::Tag::kChdir || tag == FileAction::Tag::kFchdir) return {nullptr, -1};
  }
  return {path, AT_FDCWD, sought};
}

struct SpawnArguments {
  pid_t* pid;
  const char* path;
  bool sought;  ///< in PATH
  const posix_spawn_file_actions_t* actions;
  const posix_spawnattr_t* attributes;
  char* const* argv;
  char* const* environment;
};

/// posix_spawn returns its error, and leaves errno as it likes.
template <typename Function>
__attribute__((always_inline)) inline int Spawned(Function& function, const SpawnArguments& a) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const char* path = Unpromised(a.path);
  if (OnForeignStorage() || path == nullptr || !AreReadable(path, a.environment)) {
    return function(a.pid, a.path, a.actions, a.attributes, a.argv, a.environment);
  }
  const int errno_before = LastError();
  pid_t unwanted = 0;
  pid_t* pid = a.pid == nullptr ? &unwanted : a.pid;
  const uint32_t image = RecordSpawning(site);
  RecordFileActions(site, image, a.actions);
  const ExecOutlook outlook = LookAtProgram(NameIn(a.path, a.sought, a.actions));
  const EnvironmentPlan plan = PlanEnvironment(a.environment, outlook, image);
  if (image != 0) NoteSpawnTarget(image, a.path, plan.problem, outlook.is_known);
  SetLastError(errno_before);
  const int error = CallWithEnvironment(plan, a.environment, [&](char* const* passed) {
    return function(pid, a.path, a.actions, a.attributes, a.argv, passed);
  });
  const int errno_after = LastError();
  RecordSpawned(site, image, error == 0 ? *pid : -1, error);
  if (error == EBADF) RecordBadActions(site, a.actions);
  SetLastError(errno_after);
  return error;
}

/// What system and popen have in common. `call()` is the real one; `Started(result)` whether there is a program.
template <typename Call, typename Started>
auto ByShell(const CallSite& site, int child_number, Call call, Started started) {
  const int errno_before = LastError();
  const uint32_t image = RecordSpawning(site);
  if (child_number >= 0) RecordChildAction(site, image, {ChildAction::What::kOpens, child_number});
  EnvironmentForLibc environment(image);
  const bool awaited = environment.tells_image() || environment.problem() != trace::ExecProblem::kNone;
  if (image != 0) NoteSpawnTarget(image, "/bin/sh", environment.problem(), false);
  SetLastError(errno_before);
  const auto result = call();
  const int errno_after = LastError();
  if (image != 0 && !awaited) NoteSpawnEnded(image, -1);
  const bool has_started = started(result);
  RecordSpawned(site, awaited ? image : 0, has_started ? 0 : -1, has_started ? 0 : errno_after);
  SetLastError(errno_after);
  return result;
}

/// The stream is one end of a pipe, and owns it; the shell's standard output or input is the other.
template <typename Function>
__attribute__((always_inline)) inline FILE* OpenedShell(Function& function, const char* command, const char* mode) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const bool reads = strchr(mode, 'r') != nullptr;
  FILE* stream = ByShell(
      site, reads ? STDOUT_FILENO : STDIN_FILENO, [&] { return function(command, mode); },
      [](FILE* result) { return result != nullptr; });
  if (stream == nullptr) {
    if (IsTableFull(LastError())) RecordOpenFailed(site);
    return nullptr;
  }
  char target[trace::kTargetSize];
  TextBuilder(target, sizeof target).Add("popen: ").Add(command);
  NewDescriptor what;
  what.kind = trace::FdKind::kPipe;
  what.flags = trace::kOwnedByFile;
  if (strchr(mode, 'e') != nullptr) what.flags |= trace::kCloseOnExec;
  what.owner = stream;
  what.target = target;
  RecordOpened(site, fileno_unlocked(stream), what);
  return stream;
}

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("starts a program with a copy of the table, changed by file actions" CHECKED, int, posix_spawn, pid_t* pid,
          const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
          char* const* argv, char* const* environment) {
  return Spawned(real::posix_spawn, {pid, path, false, actions, attributes, argv, environment});
}
INTERPOSE("starts a program with a copy of the table, changed by file actions" CHECKED, int, posix_spawnp, pid_t* pid,
          const char* file, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
          char* const* argv, char* const* environment) {
  return Spawned(real::posix_spawnp, {pid, file, true, actions, attributes, argv, environment});
}

#if defined(__x86_64__)
NEWEST_VERSION(posix_spawn, "GLIBC_2.15");
NEWEST_VERSION(posix_spawnp, "GLIBC_2.15");
INTERPOSE_OLD("the same; a file of unknown format is given to the shell", "GLIBC_2.2.5", int, posix_spawn, pid_t* pid,
              const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
              char* const* argv, char* const* environment) {
  return Spawned(real::posix_spawn_old_version, {pid, path, false, actions, attributes, argv, environment});
}
INTERPOSE_OLD("the same; a file of unknown format is given to the shell", "GLIBC_2.2.5", int, posix_spawnp, pid_t* pid,
              const char* file, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* attributes,
              char* const* argv, char* const* environment) {
  return Spawned(real::posix_spawnp_old_version, {pid, file, true, actions, attributes, argv, environment});
}
#endif

INTERPOSE("starts the shell with a copy of the table", int, system, const char* command) {
  const CallSite site = FDAUDIT_CALL_SITE(real::system);
  return ByShell(
      site, -1, [=] { return real::system(command); }, [](int result) { return result != -1; });
}

INTERPOSE("starts the shell; opens a stream on a pipe to it", FILE*, popen, const char* command, const char* mode) {
  return OpenedShell(real::popen, command, mode);
}
INTERPOSE("starts the shell; opens a stream on a pipe to it", FILE*, _IO_popen, const char* command, const char* mode) {
  return OpenedShell(real::_IO_popen, command, mode);
}
INTERPOSE("closes a stream's descriptor, and waits for the shell", int, pclose, FILE* stream) {
  return StreamClosed(real::pclose, stream);
}
