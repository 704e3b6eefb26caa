#pragma once

// What the program itself says it is working at: pytest names the test that runs, and its phase, in an environment
// variable; others name checkpoints (fdaudit.h). Every change of it is kept with its time, so that each recorded act
// has the context it happened in, at no cost for the act.

namespace fdaudit::shim {

inline constexpr char kContextVariable[] = "PYTEST_CURRENT_TEST";

/// An entry of the environment ("NAME=value", or "NAME" alone: removed) has been set.
void NoteEnvironmentEntry(const char* entry);
/// The context at the image's start, or from now on; nullptr = none.
void NoteContext(const char* value);

}  // namespace fdaudit::shim
