#include "shim/exec_environment.h"

#include <cstring>

#include "shim/options.h"
#include "shim/raw_io.h"
#include "shim/text.h"

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
  for (const char* at = strstr(list, shim_file); at != nullptr; at = strstr(at + 1, shim_file)) {
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

}  // namespace

void PrepareExecEnvironment(const char* shim_path, const char* options_entry) {
  TextBuilder(shim_file, sizeof shim_file).Add(shim_path);
  options_for_children = options_entry;
}

EnvironmentPlan PlanEnvironment(char* const* environment) {
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
  if (!reachable) {
    plan.problem = !options.follow ? trace::ExecProblem::kNoFollow
                   : sandboxed     ? trace::ExecProblem::kSandboxed
                                   : trace::ExecProblem::kShimUnreachable;
    plan.action = has_shim ? EnvironmentPlan::Action::kStrip : EnvironmentPlan::Action::kKeep;
    return plan;
  }
  const char* passed = ValueOf(given, kOptionsPrefix);
  const bool has_options = passed != nullptr && strcmp(passed, options_for_children + strlen(kOptionsPrefix)) == 0;
  const bool fits = preload == nullptr || strlen(preload) + strlen(shim_file) + sizeof kPreloadPrefix + 1 < kMaxPreload;
  if (fits && !(has_shim && has_options)) plan.action = EnvironmentPlan::Action::kExtend;
  return plan;
}

void BuildEnvironment(const EnvironmentPlan& plan, char* const* environment, char** out, char (&preload)[kMaxPreload]) {
  TextBuilder list(preload, sizeof preload);
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
      list = TextBuilder(preload, sizeof preload);
    } else if (*value != '\0') {
      list.Add(":").Add(value);
    }
  }
  if (extend) {
    add_preload = list.size() != 0;
    out[used++] = const_cast<char*>(options_for_children);
  }
  if (add_preload) out[used++] = preload;
  out[used] = nullptr;
}

}  // namespace fdaudit::shim
