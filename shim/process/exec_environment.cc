#include "shim/process/exec_environment.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "shim/base/large.h"
#include "shim/base/options.h"
#include "shim/base/probe.h"
#include "shim/base/raw_io.h"
#include "shim/base/text.h"
#include "shim/process/descriptor_table.h"
#include "shim/process/image.h"
#include "shim/trace/session.h"

namespace fdaudit::shim {
namespace {

constexpr char kPreloadPrefix[] = "LD_PRELOAD=";
constexpr char kOptionsPrefix[] = "FDAUDIT_OPTIONS=";

constinit char shim_file[512] = "";
constinit const char* options_for_children = nullptr;

bool IsSeparator(char c) { return c == ':' || c == ' '; }

/// The place of the shim in a preload list, or nullptr.
const char* FindShim(const char* list) {
  const size_t length = strlen(shim_file);
  for (const char* at = FindText(list, shim_file); at != nullptr; at = FindText(at + 1, shim_file)) {
    const bool starts = at == list || IsSeparator(at[-1]);
    if (starts && (at[length] == '\0' || IsSeparator(at[length]))) return at;
  }
  return nullptr;
}

const char* ValueOf(char* const* environment, const char* prefix) {
  for (; *environment != nullptr; ++environment) {
    if (StartsWith(*environment, prefix)) return *environment + strlen(prefix);
  }
  return nullptr;
}

/// The list without the shim, for a program that is not to be audited.
bool PreloadWithoutShim(const char* list, TextBuilder& out) {
  const char* at = FindShim(list);
  if (at == nullptr) return false;
  const char* rest = at + strlen(shim_file);
  while (IsSeparator(*rest)) ++rest;
  size_t before = static_cast<size_t>(at - list);
  if (*rest == '\0') {
    while (before > 0 && IsSeparator(list[before - 1])) --before;
  }
  out.Add(kPreloadPrefix).Add(list, before).Add(rest);
  return before != 0 || *rest != '\0';
}

/// Whether the program may open the trace file. Asked for the real user, who has no capabilities unless it is root: so
/// will the program be. (With another effective user it would be privileged, and not audited at all.)
__attribute__((noinline)) bool TraceIsReachable() {
  char path[768];
  TextBuilder text(path, sizeof path);
  text.Add(SessionPlace()).Add("/").Add(options.session);
  return raw::Access(path, R_OK | W_OK) == 0;
}

/// For the pointers to so many entries, two of ours and the final nullptr.
size_t RoomFor(size_t entries) { return (entries + 3) * sizeof(char*); }

/// Behind the options, for one child alone: which image's record it continues. That child cuts it off again.
constexpr size_t kImageTextSize = sizeof ":image=4294967295:apart=1";

/// The options for children as an entry; `memory` is for those of one child.
char* OptionsFor(const EnvironmentPlan& plan, char* memory, size_t size) {
  if (plan.image == 0) return const_cast<char*>(options_for_children);
  TextBuilder text(memory, size);
  text.Add(options_for_children).Add(":image=").Add(uint64_t{plan.image});
  if (plan.problem == trace::ExecProblem::kTraceUnreachable) text.Add(":apart=1");
  return memory;
}

}  // namespace

const char* ShimPath() { return shim_file; }

void PrepareExecEnvironment(const char* shim_path, const char* options_entry) {
  TextBuilder(shim_file, sizeof shim_file).Add(shim_path);
  options_for_children = options_entry;
}

namespace {

/// The caller's state, where it is known to be the caller's alone.
ThreadState* OwnState() {
  const uint32_t image = process_mark->image;
  if (image == 0) return nullptr;
  ThreadState& state = ThreadOf(image);
  return IsStranger(state) ? nullptr : &state;
}

}  // namespace

MappedRoom::MappedRoom(size_t size)
    : memory_(raw::Map(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)), size_(size) {
  ThreadState* state = OwnState();
  if (memory_ == nullptr || state == nullptr) return;
  state->room_size = size;
  state->room = memory_;
}

MappedRoom::~MappedRoom() {
  ThreadState* state = OwnState();
  if (state != nullptr && state->room == memory_) state->room = nullptr;
  if (memory_ != nullptr) raw::Unmap(memory_, size_);
}

bool AreReadable(const char* path, char* const* environment) {
  ProgramMemory memory;
  if (path != nullptr && !memory.HasText(path)) return false;
  if (environment == nullptr) return true;
  for (char* const* entry = environment;; ++entry) {
    if (!memory.IsReadableAt(reinterpret_cast<uintptr_t>(entry), sizeof *entry)) return false;
    if (*entry == nullptr) return true;
    // Of most no more than the name is read.
    if (!memory.HasText(*entry, sizeof kOptionsPrefix)) return false;
    const bool is_ours = StartsWith(*entry, kPreloadPrefix) || StartsWith(*entry, kOptionsPrefix);
    if (is_ours && !memory.HasText(*entry)) return false;
  }
}

EnvironmentPlan PlanEnvironment(char* const* environment, const ExecOutlook& outlook, uint32_t image) {
  EnvironmentPlan plan;
  if (shim_file[0] == '\0' || options_for_children == nullptr) return plan;
  if (environment != nullptr) {
    while (environment[plan.entries] != nullptr) ++plan.entries;
  }
  static constexpr char* kNothing[] = {nullptr};
  char* const* given = environment == nullptr ? kNothing : environment;
  const char* preload = ValueOf(given, kPreloadPrefix);
  const bool has_shim = preload != nullptr && FindShim(preload) != nullptr;
  // In a chroot or another mount namespace the shim may be out of reach: the dynamic linker would complain on the
  // program's standard error.
  // Under seccomp the next image inherits a filter that the shim's start might not survive.
  const bool sandboxed = !SystemCallsAllowed();
  const bool reachable = options.follow && !sandboxed && raw::Access(shim_file, R_OK) == 0;
  const bool trace_reachable = !reachable || TraceIsReachable();
  plan.problem = !options.follow                                ? trace::ExecProblem::kNoFollow
                 : sandboxed                                    ? trace::ExecProblem::kSandboxed
                 : !reachable                                   ? trace::ExecProblem::kShimUnreachable
                 : outlook.problem != trace::ExecProblem::kNone ? outlook.problem
                 : !trace_reachable                             ? trace::ExecProblem::kTraceUnreachable
                                                                : trace::ExecProblem::kNone;
  // Once the report is made, and the trace removed, a second file made by the program would stay for ever.
  const bool is_over = !trace_reachable && recorder.recording() && recorder.header().removed != 0;
  // A static program and one of another libc keep the shim, so that what they start is audited again.
  if (!reachable || outlook.refuses_shim || is_over) {
    if (!has_shim) return plan;
    plan.action = EnvironmentPlan::Action::kStrip;
    plan.room = RoomFor(plan.entries) + strlen(preload) + sizeof kPreloadPrefix;
    return plan;
  }
  const char* passed = ValueOf(given, kOptionsPrefix);
  // The options that we hand on name the session to join; these are somebody's who wants another.
  if (passed != nullptr && has_shim && FindText(passed, "trace=") != nullptr &&
      FindText(passed, "session=") == nullptr) {
    plan.problem = trace::ExecProblem::kOwnSession;
    return plan;
  }
  const bool has_options = passed != nullptr && strcmp(passed, options_for_children + strlen(kOptionsPrefix)) == 0;
  const size_t preload_size =
      (preload == nullptr ? 0 : strlen(preload)) + strlen(shim_file) + sizeof kPreloadPrefix + 1;
  if (preload_size >= kMaxPreload || (has_shim && has_options && image == 0 && trace_reachable)) return plan;
  plan.action = EnvironmentPlan::Action::kExtend;
  plan.room = RoomFor(plan.entries) + preload_size + strlen(options_for_children) + kImageTextSize;
  plan.image = image;
  return plan;
}

char** BuildEnvironment(const EnvironmentPlan& plan, char* const* environment, void* memory) {
  auto** out = static_cast<char**>(memory);
  char* texts = static_cast<char*>(memory) + RoomFor(plan.entries);
  const size_t text_room = plan.room - RoomFor(plan.entries);
  TextBuilder list(texts, text_room);
  bool add_preload = false;
  size_t used = 0;
  const bool extend = plan.action == EnvironmentPlan::Action::kExtend;
  if (extend) list.Add(kPreloadPrefix).Add(shim_file);
  for (size_t i = 0; i < plan.entries; ++i) {
    char* entry = environment[i];
    if (StartsWith(entry, kOptionsPrefix)) continue;
    if (!StartsWith(entry, kPreloadPrefix)) {
      out[used++] = entry;
      continue;
    }
    const char* value = entry + strlen(kPreloadPrefix);
    if (!extend) {
      add_preload = PreloadWithoutShim(value, list);
    } else if (FindShim(value) != nullptr) {
      out[used++] = entry;  // as the user, or `run`, ordered it
      list = TextBuilder(texts, text_room);
    } else if (*value != '\0') {
      list.Add(":").Add(value);
    }
  }
  if (extend) {
    add_preload = list.size() != 0;
    out[used++] = OptionsFor(plan, texts + list.size() + 1, text_room - list.size() - 1);
  }
  if (add_preload) out[used++] = texts;
  out[used] = nullptr;
  return out;
}

// Static, because the program may leave system(3) by siglongjmp out of a handler, and go on with it.
FDAUDIT_LARGE constinit char* environment_for_libc[1536] = {};

EnvironmentForLibc::EnvironmentForLibc(uint32_t image) {
  const bool alone = SingleThreaded() && environ != environment_for_libc;
  const EnvironmentPlan plan = PlanEnvironment(environ, {}, alone ? image : 0);
  problem_ = plan.problem;
  if (plan.action == EnvironmentPlan::Action::kKeep) return;
  if (alone && plan.room <= sizeof environment_for_libc) {
    stands_in_ = true;
    replaced_ = environ;
    environ = BuildEnvironment(plan, environ, environment_for_libc);
  } else if (problem_ == trace::ExecProblem::kNone) {
    problem_ = trace::ExecProblem::kEnvironment;
  }
}

EnvironmentForLibc::~EnvironmentForLibc() {
  if (stands_in_ && environ == environment_for_libc) environ = replaced_;
}

}  // namespace fdaudit::shim
