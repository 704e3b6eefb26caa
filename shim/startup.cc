// The shim's start in a process image: before main, and earlier when another library's constructor calls something
// intercepted first. Reads the options, joins or makes the trace, begins the image.

#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "shim/base/clock.h"
#include "shim/base/dynamic_linker.h"
#include "shim/base/large.h"
#include "shim/base/message.h"
#include "shim/base/options.h"
#include "shim/base/probe.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/events/context.h"
#include "shim/interpose/interpose.h"
#include "shim/interpose/real_functions.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/misled_streams.h"
#include "shim/process/exec_environment.h"
#include "shim/stack/libunwind_rules.h"
#include "shim/stack/table.h"
#include "shim/trace/recorder.h"
#include "shim/trace/session.h"

// glibc's alone. Strong references would end programs of another libc (musl) that an audited one starts, before main:
// their dynamic linker obeys LD_PRELOAD too. at_quick_exit(3) is linked statically and is a call of
// __cxa_at_quick_exit.
extern "C" {
__attribute__((weak)) const char* gnu_get_libc_version();
__attribute__((weak)) int on_exit(void (*)(int, void*), void*) noexcept;
__attribute__((weak)) int __cxa_at_quick_exit(void (*)(void*), void*);
extern void* __dso_handle __attribute__((visibility("hidden")));
}

namespace fdaudit::shim {
namespace {

constexpr char kOptionsPrefix[] = "FDAUDIT_OPTIONS=";
constexpr size_t kEnvironmentCopy = 512;

constinit char options_entry[kMaxOptionText + 1024] = "";
FDAUDIT_LARGE constinit char* environment_copy[kEnvironmentCopy] = {};

char** FindEntry(char** environment, const char* prefix) {
  for (; environment != nullptr && *environment != nullptr; ++environment) {
    if (StartsWith(*environment, prefix)) return environment;
  }
  return nullptr;
}

const char* Variable(char** environment, const char* prefix) {
  char** entry = FindEntry(environment, prefix);
  return entry == nullptr ? nullptr : *entry + strlen(prefix);
}

void AbsolutePath(const char* path, char* out, size_t size) {
  TextBuilder text(out, size);
  if (path[0] != '/') {
    char directory[512] = "";
    raw::Call(SYS_getcwd, raw::Address(directory), sizeof directory);
    text.Add(directory).Add("/");
  }
  text.Add(path);
  if (text.overflowed()) out[0] = '\0';
}

/// The executable's path. /proc/self/exe would say it, at 25 µs an exec; the kernel passes the name that was
/// exec'd. Where that is a script's, a descriptor's or itself a link below /proc, it is asked all the same.
void FindExecutable(char* const* arguments) {
  const auto* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  bool is_executable = name != nullptr && !StartsWith(name, "/dev/fd/") && !StartsWith(name, "/proc/");
  if (arguments == nullptr) is_executable = false;
  for (int i = 1; i <= 2 && is_executable && arguments[0] != nullptr && arguments[i - 1] != nullptr; ++i) {
    if (arguments[i] != nullptr && strcmp(arguments[i], name) == 0) is_executable = false;
  }
  if (is_executable) {
    AbsolutePath(StartsWith(name, "./") ? name + 2 : name, executable_path, sizeof executable_path);
    return;
  }
  const long length = raw::ReadLink("/proc/self/exe", executable_path, sizeof executable_path - 1);
  executable_path[length > 0 ? length : 0] = '\0';
}

/// Sets options.trace to a place for traces: the one that the options name, or else the best of the usual ones, of
/// which `worse` are left out. False: there is none left.
bool ChooseTraceDirectory(char** environment, int worse) {
  const char* state = Variable(environment, "XDG_STATE_HOME=");
  const char* home = Variable(environment, "HOME=");
  const auto user = static_cast<uint64_t>(getuid());
  char chosen[sizeof options.trace];
  TextBuilder text(chosen, sizeof chosen);
  if (state != nullptr && state[0] == '/' && worse-- == 0) {
    text.Add(state).Add("/fdaudit");
  } else if (home != nullptr && home[0] == '/' && home[1] != '\0' && worse-- == 0) {
    text.Add(home).Add("/.local/state/fdaudit");
  } else if (worse-- == 0) {
    text.Add("/tmp/fdaudit-").Add(user);
  } else if (worse-- == 0) {
    text.Add("/dev/shm/fdaudit-").Add(user);
  } else {
    return false;
  }
  memcpy(options.trace, chosen, sizeof chosen);
  return true;
}

/// Opens the trace where the options say, or in the first of the usual places that has room for it. A place named by
/// the user is left only where it is not safe.
bool OpenTrace(char** environment, bool first_image, const char** problem) {
  if (options.trace[0] != '\0') {
    char named[sizeof options.trace];
    AbsolutePath(options.trace, named, sizeof named);
    memcpy(options.trace, named, sizeof named);
    if (OpenSession(true, problem)) return true;
    if (!first_image || *problem != kForeignFolder) return false;
  }
  const char* first_problem = *problem;
  for (int worse = 0; ChooseTraceDirectory(environment, worse); ++worse) {
    if (!OpenSession(false, problem)) continue;
    if (first_problem == kForeignFolder) {
      char line[768];
      TextBuilder(line, sizeof line).Add(first_problem).Add("; recorded in ").Add(options.trace);
      Complain(line, "");
    }
    return true;
  }
  if (first_problem[0] != '\0') *problem = first_problem;
  return false;
}

bool IsOfOneImage(const char* option) {
  for (const char* name : {"trace=", "session=", "place=", "family=", "ahead=", "filters="}) {
    if (StartsWith(option, name)) return true;
  }
  return false;
}

/// The options as children get them: the user's, with the trace's absolute place and the session to join.
void ComposeOptions(const char* given, uint64_t filters) {
  TextBuilder text(options_entry, sizeof options_entry);
  text.Add(kOptionsPrefix).Add("trace=");
  for (const char* c = options.trace; *c != '\0'; ++c) {
    text.Add(*c == ':' ? "%3A" : *c == '%' ? "%25" : c, *c == ':' || *c == '%' ? 3 : 1);
  }
  text.Add(":session=").Add(options.session);
  if (options.place[0] != '\0') text.Add(":place=").Add(options.place);
  if (options.family[0] != '\0') text.Add(":family=").Add(options.family);
  if (filters != 0 && filters != UINT64_MAX) text.Add(":filters=").Add(filters);
  while (given != nullptr && *given != '\0') {
    const size_t length = LengthUntil(given, ":");
    if (length != 0 && !IsOfOneImage(given)) text.Add(":").Add(given, length);
    given += length;
    if (*given == ':') ++given;
  }
}

/// What the options say behind the user's is about this image alone (exec_environment.h), and not for its children.
void CutHint(char** environment) {
  char** entry = FindEntry(environment, kOptionsPrefix);
  char* hint = entry == nullptr ? nullptr : FindText(*entry, ":image=");
  if (hint != nullptr) *hint = '\0';
}

/// libc's own execs (system, popen) pass `environ` on: it has to name the session.
void AmendEnvironment(char** environment) {
  if (char** entry = FindEntry(environment, kOptionsPrefix); entry != nullptr) {
    *entry = options_entry;
    return;
  }
  size_t count = 0;
  while (environment[count] != nullptr) ++count;
  const size_t size = (count + 2) * sizeof(char*);
  void* copy = environment_copy;
  if (size > sizeof environment_copy) copy = raw::Map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (copy == nullptr) return;
  auto** entries = static_cast<char**>(copy);
  memcpy(entries, environment, count * sizeof(char*));
  entries[count] = options_entry;
  environ = entries;
}

/// What `fdaudit run` put ahead of the shim is not for the programs that this one starts: a sanitizer's library would
/// sanitize them.
void TakeFromPreload(char** entry, size_t ahead) {
  char* value = *entry + strlen("LD_PRELOAD=");
  const size_t length = strlen(value);
  if (ahead < length) memmove(value, value + ahead, length - ahead + 1);
}

void NameCalls() {
  const auto count = static_cast<uint64_t>(__stop_fdaudit_calls - __start_fdaudit_calls);
  if (recorder.Claim(trace::RegionKind::kCalls, count) < 0) return;
  for (uint64_t i = 0; i < count; ++i) {
    TextBuilder(recorder.At<trace::CallName>(trace::RegionKind::kCalls, i)->name, sizeof(trace::CallName))
        .Add(__start_fdaudit_calls[i].name);
  }
}

/// summary=1: what this process has to report at its end.
void Summarize() {
  const uint32_t image = CurrentImage();
  if (!options.summary || image == 0) return;
  char line[768];
  TextBuilder text(line, sizeof line);
  const auto open = static_cast<uint64_t>(LeaksSoFar());
  const auto bad = static_cast<uint64_t>(FindingsOf(image));
  text.Add(open).Add(open == 1 ? " descriptor" : " descriptors").Add(" still open, ");
  text.Add(bad).Add(bad == 1 ? " bad close" : " bad closes").Add("; fdaudit report ");
  text.Add(options.trace).Add("/").Add(options.session);
  Complain("at exit: ", text.text());
}

/// Exit handlers run last registered first, and this one is registered before main: it sees what the program's own
/// handlers and destructors have closed.
void EndAfterExit(int status, void*) {
  NoteMisledStreams(true);
  Summarize();
  EndImage(status);
}

void EndAfterQuickExit(void*) { EndImage(quick_exit_status); }

void Start(char** environment, char* const* arguments) {
  char complaint[256];
  const char* given = Variable(environment, kOptionsPrefix);
  ReadOptions(given, complaint, sizeof complaint);
  const uint64_t filters = SeccompFilters();
  if (FiltersMayKill(filters, options.filters)) {
    system_calls_forbidden = true;
    return;
  }
  char shim_path[512];
  AbsolutePath(PathOfShim(), shim_path, sizeof shim_path);
  CutHint(environment);
  const bool first_image = options.session[0] == '\0';
  RememberStandardError();
  if (first_image && complaint[0] != '\0') Complain("unknown option or bad value, default used: ", complaint);
  if (options.libunwind && !UseLibunwindRules() && first_image) {
    Complain("unwinder=libunwind: libunwind can't be loaded, fdaudit's own rules are used", "");
  }
  const char* preloaded = Variable(environment, "LD_PRELOAD=");
  RememberPreloaded(preloaded);
  if (preloaded != nullptr && FindText(preloaded, "vgpreload_") != nullptr) ForgoProbes();
  if (first_image && preloaded != nullptr) TakeFromPreload(FindEntry(environment, "LD_PRELOAD="), options.ahead);
  const char* problem = "";
  if (!MakeProcessMark() || !OpenTrace(environment, first_image, &problem)) {
    if (first_image) Complain("nothing is recorded: ", problem);
    return;
  }
  if (recorder.created_here()) NameCalls();
  ComposeOptions(given, filters);
  PrepareExecEnvironment(shim_path, options_entry);
  if (first_image || origin.file[0] != '\0') AmendEnvironment(environment);
  FindExecutable(arguments);
  if (ListNames(options.skip, executable_path)) {
    NoteSkipped();
    FallSilent();
  } else {
    BeginExecedImage(arguments);
    if (char** entry = FindEntry(environment, kContextVariable); entry != nullptr) NoteEnvironmentEntry(*entry);
  }
}

/// Once for each image; `arguments` may be nullptr.
void StartOnce(char** environment, char* const* arguments) {
  static constinit bool started = false;
  if (started || environment == nullptr) return;
  started = true;
  // The caller's environment must not decide where a privileged program writes. In another libc than glibc calls
  // are passed on, and nothing else is known to work.
  if (getauxval(AT_SECURE) != 0 || gnu_get_libc_version == nullptr) {
    FallSilent();
    return;
  }
  on_exit(EndAfterExit, nullptr);
  __cxa_at_quick_exit(EndAfterQuickExit, &__dso_handle);
  Start(environment, arguments);
  if (process_mark->image == 0) FallSilent();
}

}  // namespace

uint32_t StartEarly() {
  StartOnce(environ, nullptr);
  return process_mark->image;
}

/// The dynamic linker passes main's arguments to constructors.
__attribute__((constructor)) void StartShim(int, char** arguments, char** environment) {
  // An auditor (rtld-audit(7)) may send what dlsym finds elsewhere.
  PrepareRealFunctions(gnu_get_libc_version != nullptr && Variable(environment, "LD_AUDIT=") == nullptr);
  StartOnce(environment, arguments);
}

}  // namespace fdaudit::shim
