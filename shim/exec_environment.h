#pragma once

// The environment that an exec'd program gets, so that it is audited too: the shim in LD_PRELOAD, in front of what the
// program put there itself, and the options with the session to join. Built on the caller's stack: exec may happen in a
// vfork child or a signal handler, where the heap is not ours to touch.

#include <cstddef>

#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Longest values kept; a longer LD_PRELOAD of the program's own is passed on as it is, without the shim.
inline constexpr size_t kMaxPreload = 2048;
/// An environment of more entries is passed on as it is: its copy would not fit a small thread's stack.
inline constexpr size_t kMostEntries = 1024;

/// Remembers the shim's own path and the options for children. Called once, at the start.
void PrepareExecEnvironment(const char* shim_path, const char* options_entry);

/// What has to be done with an environment for it to carry the audit on.
struct EnvironmentPlan {
  enum class Action { kKeep, kExtend, kStrip };
  Action action = Action::kKeep;
  size_t entries = 0;                                      ///< of the given environment, without the final nullptr
  trace::ExecProblem problem = trace::ExecProblem::kNone;  ///< why the program will not be audited
};
EnvironmentPlan PlanEnvironment(char* const* environment);

/// Fills `out` (room for plan.entries + 3 pointers); `preload` is room for the new LD_PRELOAD entry.
void BuildEnvironment(const EnvironmentPlan& plan, char* const* environment, char** out, char (&preload)[kMaxPreload]);

}  // namespace fdaudit::shim
