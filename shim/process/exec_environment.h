#pragma once

// The environment that an exec'd program gets, so that it is audited too: the shim in LD_PRELOAD, in front of what the
// program put there itself, and the options with the session to join. Built on the caller's stack: exec may happen in a
// vfork child or a signal handler, where the heap is not ours to touch.

#include <alloca.h>

#include <cstddef>
#include <cstdint>

#include "shim/base/thread.h"
#include "shim/process/exec_target.h"
#include "shim/trace/format.h"

namespace fdaudit::shim {

/// Longest values kept; a longer LD_PRELOAD of the program's own is passed on as it is, without the shim.
inline constexpr size_t kMaxPreload = 2048;
/// A larger environment's copy is mapped: it would not fit a small thread's stack.
inline constexpr size_t kMostOnStack = 2048;

/// Remembers the shim's own path and the options for children. Called once, at the start.
void PrepareExecEnvironment(const char* shim_path, const char* options_entry);
const char* ShimPath();

/// Whether an exec's program name and environment can be read, as far as they are read here. Either may be nullptr. The
/// call that is given others fails with EFAULT, or has worse to complain about: it is passed on as it is.
bool AreReadable(const char* path, char* const* environment);

/// What has to be done with an environment for it to carry the audit on.
struct EnvironmentPlan {
  enum class Action { kKeep, kExtend, kStrip };
  Action action = Action::kKeep;
  size_t entries = 0;                                      ///< of the given environment, without the final nullptr
  size_t room = 0;                                         ///< bytes that BuildEnvironment needs
  uint32_t image = 0;                                      ///< record that the program continues; 0 = none
  trace::ExecProblem problem = trace::ExecProblem::kNone;  ///< why the program will not be audited
};

/// `outlook`: what is known of the program. `image`: the record that was made for the program to come, which learns of
/// it by its options (process/spawn.h).
/// Not to be called before the environment is known to be readable.
EnvironmentPlan PlanEnvironment(char* const* environment, const ExecOutlook& outlook, uint32_t image = 0);

/// Builds the environment in `memory` (plan.room bytes, aligned for pointers) and returns it. Not for Action::kKeep.
char** BuildEnvironment(const EnvironmentPlan& plan, char* const* environment, void* memory);

/// Memory for a call that may not return. A vfork child's exec leaves it in its parent, who unmaps it when it goes on.
class MappedRoom {
 public:
  explicit MappedRoom(size_t size);
  ~MappedRoom();
  MappedRoom(const MappedRoom&) = delete;
  MappedRoom& operator=(const MappedRoom&) = delete;

  void* memory() const { return memory_; }  ///< nullptr: there is none

 private:
  void* memory_;
  size_t size_;
};

/// Calls `call(environment)` with what the next program shall get.
template <typename Call>
auto CallWithEnvironment(const EnvironmentPlan& plan, char* const* environment, Call call) {
  if (plan.action == EnvironmentPlan::Action::kKeep) return call(environment);
  if (plan.room <= kMostOnStack) {
    return call(static_cast<char* const*>(BuildEnvironment(plan, environment, alloca(plan.room))));
  }
  const MappedRoom room(plan.room);
  if (room.memory() == nullptr) return call(environment);
  return call(static_cast<char* const*>(BuildEnvironment(plan, environment, room.memory())));
}

/// For what libc starts with `environ` as it is (system, popen). Where that would not carry the audit on, another one
/// stands in its place for as long as this lives: in a process with one thread, since others may be changing it.
class EnvironmentForLibc {
 public:
  explicit EnvironmentForLibc(uint32_t image);
  ~EnvironmentForLibc();
  EnvironmentForLibc(const EnvironmentForLibc&) = delete;
  EnvironmentForLibc& operator=(const EnvironmentForLibc&) = delete;

  /// Why the program will not be audited.
  trace::ExecProblem problem() const { return problem_; }
  /// The program learns which record awaits it. Where not, and there is no problem, it finds its parent by its pid.
  bool tells_image() const { return stands_in_; }

 private:
  bool stands_in_ = false;
  char** replaced_ = nullptr;  ///< may be nullptr: clearenv(3)
  trace::ExecProblem problem_;
};

}  // namespace fdaudit::shim
