// exec: the process goes on with another program, which is to be audited too.

#include <alloca.h>
#include <unistd.h>

#include <cstdarg>

#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/families/means.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/exec_environment.h"
#include "shim/process/exec_target.h"

namespace fdaudit::shim {
namespace {

/// The program is named by the descriptor `fd`, or begins there.
int NamedBy(const CallSite& site, int fd, int result) {
  if (result == -1 && LastError() == EBADF) RecordBadUse(site, {fd, kNoDescriptor, false});
  return result;
}

/// What all execs meet in. `call(environment)` is the real exec, which returns only when it fails.
template <typename Call>
int Exec(const CallSite& site, ProgramName program, char* const* environment, Call call) {
  program.path = Unpromised(program.path);
  if (OnForeignStorage() || !AreReadable(program.path, environment)) return call(environment);
  const int saved_errno = LastError();
  CurrentImage();  // a forked child begins here, and is known then to have one thread
  const ExecOutlook outlook = LookAtProgram(program);
  EnvironmentPlan plan = PlanEnvironment(environment, outlook);
  const uint32_t image = RecordExec(site, program.path == nullptr ? "" : program.path, plan.problem, outlook.is_known);
  // In another trace file the program does not find it.
  if (plan.problem == trace::ExecProblem::kTraceUnreachable) plan.image = image;
  SetLastError(saved_errno);
  const int result = CallWithEnvironment(plan, environment, call);
  RecordExecFailed(site);
  return result;
}

ProgramName Sought(const char* file) { return {file, AT_FDCWD, true}; }

ProgramName InDirectory(int directory, const char* path, int flags) {
  const char* name = Unpromised(path);
  const bool is_readable = name != nullptr && AreReadable(name, nullptr);
  const bool is_itself = (flags & AT_EMPTY_PATH) != 0 || (is_readable && name[0] != '\0');
  return {name, is_itself ? directory : -1};  // an empty path is refused without the flag
}

}  // namespace

// The arguments of a variadic exec as an array on the stack, as libc does it. `after` runs with the list behind the
// final null pointer (execle's environment).
#define FDAUDIT_EXEC_LIST(first, list, after)                             \
  va_list arguments;                                                      \
  va_start(arguments, first);                                             \
  size_t count = 1;                                                       \
  while (va_arg(arguments, char*) != nullptr) ++count;                    \
  va_end(arguments);                                                      \
  auto** list = static_cast<char**>(alloca((count + 1) * sizeof(char*))); \
  va_start(arguments, first);                                             \
  list[0] = const_cast<char*>(first);                                     \
  for (size_t i = 1; i <= count; ++i) list[i] = va_arg(arguments, char*); \
  after;                                                                  \
  va_end(arguments)

}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("replaces the program; closes what is close-on-exec", int, execve, const char* path, char* const* argv,
          char* const* environment)
noexcept {
  return Exec(FDAUDIT_CALL_SITE(real::execve), {path}, environment,
              [=](char* const* passed) { return real::execve(path, argv, passed); });
}
INTERPOSE("replaces the program; closes what is close-on-exec", int, execv, const char* path, char* const* argv)
noexcept {
  return Exec(FDAUDIT_CALL_SITE(real::execv), {path}, environ,
              [=](char* const* passed) { return real::execve(path, argv, passed); });
}
INTERPOSE("replaces the program; closes what is close-on-exec", int, execvpe, const char* file, char* const* argv,
          char* const* environment)
noexcept {
  return Exec(FDAUDIT_CALL_SITE(real::execvpe), Sought(file), environment,
              [=](char* const* passed) { return real::execvpe(file, argv, passed); });
}
INTERPOSE("replaces the program; closes what is close-on-exec", int, execvp, const char* file, char* const* argv)
noexcept {
  return Exec(FDAUDIT_CALL_SITE(real::execvp), Sought(file), environ,
              [=](char* const* passed) { return real::execvpe(file, argv, passed); });
}
INTERPOSE("replaces the program; closes what is close-on-exec" CHECKED, int, fexecve, int fd, char* const* argv,
          char* const* environment)
noexcept {
  if (environment == nullptr) return real::fexecve(fd, argv, environment);  // libc refuses that; the kernel would not
  const CallSite site = FDAUDIT_CALL_SITE(real::fexecve);
  return NamedBy(site, fd, Exec(site, {"", fd}, environment, [=](char* const* passed) {
                   return real::fexecve(fd, argv, passed);
                 }));
}
INTERPOSE("replaces the program; closes what is close-on-exec" CHECKED, int, execveat, int directory, const char* path,
          char* const* argv, char* const* environment, int flags)
noexcept {
  const CallSite site = FDAUDIT_CALL_SITE(real::execveat);
  return NamedBy(site, directory,
                 Exec(site, InDirectory(directory, path, flags), environment,
                      [=](char* const* passed) { return real::execveat(directory, path, argv, passed, flags); }));
}
INTERPOSE("replaces the program; closes what is close-on-exec", int, execl, const char* path, const char* first, ...)
noexcept {
  FDAUDIT_EXEC_LIST(first, argv, );
  return Exec(FDAUDIT_CALL_SITE(real::execl), {path}, environ,
              [=](char* const* passed) { return real::execve(path, argv, passed); });
}
INTERPOSE("replaces the program; closes what is close-on-exec", int, execlp, const char* file, const char* first, ...)
noexcept {
  FDAUDIT_EXEC_LIST(first, argv, );
  return Exec(FDAUDIT_CALL_SITE(real::execlp), Sought(file), environ,
              [=](char* const* passed) { return real::execvpe(file, argv, passed); });
}
INTERPOSE("replaces the program; closes what is close-on-exec", int, execle, const char* path, const char* first, ...)
noexcept {
  FDAUDIT_EXEC_LIST(first, argv, char* const* environment = va_arg(arguments, char* const*));
  return Exec(FDAUDIT_CALL_SITE(real::execle), {path}, environment,
              [=](char* const* passed) { return real::execve(path, argv, passed); });
}
