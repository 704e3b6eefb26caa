// The program must not notice its reporter: it is no child that wait(2) finds, ends without a SIGCHLD, is not audited,
// and holds none of the program's descriptors above 2. So it is made by system calls of our own, as vfork(2) makes a
// child: nothing is copied, and the calling thread stands still until all is over. exec makes every child an ordinary
// one, whose end raises SIGCHLD; hence a steward in between, which never execs, and waits for the analyzer.

#include "shim/events/report_now.h"

#include <alloca.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/text.h"
#include "shim/ledger/lifetime.h"
#include "shim/process/exec_environment.h"
#include "shim/trace/session.h"

extern char** environ;

namespace fdaudit::shim {
namespace {

using Path = char[1024];

struct Reporter {
  Path programs[3];  ///< where the analyzer may be, "" = nowhere
  Path trace;
  char* arguments[8];
  char** environment;
};

const char* FormatOf(const char* path) {
  constexpr const char* kFormats[][2] = {
      {".json", "json"}, {".sarif", "sarif"}, {".xml", "junit"}, {".md", "markdown"}};
  const char* ending = strrchr(BaseName(path), '.');
  for (const auto& [known, format] : kFormats) {
    if (ending != nullptr && strcmp(ending, known) == 0) return format;
  }
  return "text";
}

/// The environment's word first, then beside the shim, then where both are installed.
void FindPrograms(Reporter* reporter) {
  const char* given = getenv("FDAUDIT");
  TextBuilder(reporter->programs[0], sizeof(Path)).Add(given == nullptr ? "" : given);
  const char* shim = ShimPath();
  const auto folder = static_cast<size_t>(BaseName(shim) - shim);
  TextBuilder(reporter->programs[1], sizeof(Path)).Add(shim, folder).Add("fdaudit");
  TextBuilder(reporter->programs[2], sizeof(Path)).Add(shim, folder).Add("../../bin/fdaudit");
}

size_t CountEntries(char** environment) {
  size_t count = 0;
  while (environment != nullptr && environment[count] != nullptr) ++count;
  return count;
}

/// Without what would audit the analyzer.
void CopyEnvironment(char** from, char** to) {
  for (; from != nullptr && *from != nullptr; ++from) {
    if (!StartsWith(*from, "LD_PRELOAD=") && !StartsWith(*from, "FDAUDIT_OPTIONS=")) *to++ = *from;
  }
  *to = nullptr;
}

// Both processes run on the caller's stack, below the frame of who made them. Handlers are the program's, and so is the
// memory: all signals are blocked from here on, and in the analyzer, too.

[[gnu::always_inline]] inline long Vfork(long flags) { return raw::Call(SYS_clone, CLONE_VM | CLONE_VFORK | flags); }

[[gnu::noinline]] int WaitFor(long child) {
  int status = 0;
  long ended;
  do {
    ended = raw::Call(SYS_wait4, child, raw::Address(&status), __WALL, 0);
  } while (ended == -EINTR);
  return ended == child ? status : -1;
}

[[noreturn, gnu::noinline]] void Become(const Reporter& reporter) {
  for (const Path& program : reporter.programs) {
    if (program[0] == '\0') continue;
    raw::Call(SYS_execve, raw::Address(program), raw::Address(reporter.arguments), raw::Address(reporter.environment));
  }
  for (;;) raw::Call(SYS_exit, 127);
}

[[noreturn, gnu::noinline]] void Steward(const Reporter& reporter) {
  const uint64_t usual[4] = {};  // a program that ignores SIGCHLD has no children to wait for
  raw::Call(SYS_rt_sigaction, SIGCHLD, raw::Address(usual), 0, sizeof(uint64_t));
  raw::Call(SYS_close_range, 3, ~0U, 0);
  const long analyzer = Vfork(SIGCHLD);
  if (analyzer == 0) Become(reporter);
  const int status = raw::Failed(analyzer) ? -1 : WaitFor(analyzer);
  for (;;) raw::Call(SYS_exit, status == 0 ? 0 : 1);
}

[[gnu::noinline]] int RunReporter(const Reporter& reporter) {
  const uint64_t all = ~uint64_t{0};
  uint64_t before = 0;
  raw::Call(SYS_rt_sigprocmask, SIG_BLOCK, raw::Address(&all), raw::Address(&before), sizeof before);
  const long steward = Vfork(0);
  if (steward == 0) Steward(reporter);
  const int status = raw::Failed(steward) ? -1 : WaitFor(steward);
  raw::Call(SYS_rt_sigprocmask, SIG_SETMASK, raw::Address(&before), 0, sizeof before);
  return status == 0 ? 0 : -1;
}

}  // namespace

int ReportNow(const char* path) {
  if (path == nullptr || CurrentImage() == 0 || !SystemCallsAllowed()) return -1;
  const MappedRoom environment((CountEntries(environ) + 1) * sizeof(char*));
  if (environment.memory() == nullptr) return -1;
  Reporter reporter;
  FindPrograms(&reporter);
  TextBuilder trace(reporter.trace, sizeof(Path));
  trace.Add(SessionPlace()).Add("/").Add(options.session);
  if (trace.overflowed()) return -1;
  // execve(2) takes pointers to what it does not change.
  const char* words[] = {"fdaudit", "report", "-f", FormatOf(path), "-o", path, reporter.trace, nullptr};
  static_assert(sizeof words == sizeof reporter.arguments);
  memcpy(reporter.arguments, words, sizeof words);
  reporter.environment = static_cast<char**>(environment.memory());
  CopyEnvironment(environ, reporter.environment);
  return RunReporter(reporter);
}

}  // namespace fdaudit::shim
