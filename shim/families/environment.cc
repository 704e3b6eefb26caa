// The environment, in which pytest says which test it runs (shim/events/context.h).

#include <stdlib.h>

#include "shim/base/thread_pointer.h"
#include "shim/events/context.h"
#include "shim/events/events.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

namespace {

/// What a call did to the variable, which may have failed, or may not have replaced it.
void Follow(const char* name) {
  if (name == nullptr || __builtin_strcmp(name, kContextVariable) != 0) return;
  const int saved_errno = LastError();
  NoteContext(getenv(kContextVariable));
  SetLastError(saved_errno);
}

}  // namespace

INTERPOSE("may name the running test", int, setenv, const char* name, const char* value, int overwrite) noexcept {
  const int result = real::setenv(name, value, overwrite);
  if (result == 0) Follow(name);
  return result;
}
INTERPOSE("may name the running test", int, putenv, char* entry) noexcept {
  const int result = real::putenv(entry);
  if (result == 0) NoteEnvironmentEntry(entry);
  return result;
}
INTERPOSE("may end the running test", int, unsetenv, const char* name) noexcept {
  const int result = real::unsetenv(name);
  if (result == 0) Follow(name);
  return result;
}
INTERPOSE("may end the running test", int, clearenv) noexcept {
  const bool had_context = getenv(kContextVariable) != nullptr;
  const int result = real::clearenv();
  if (result == 0 && had_context) NoteContext(nullptr);
  return result;
}
