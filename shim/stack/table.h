#pragma once

// Call paths as numbers: each distinct one is stored once in the trace, as modules and offsets, so that it stays
// readable after dlclose, on another machine, and compares across runs. Lock-free, any context, errno untouched.

#include <cstdint>

#include "shim/stack/walk.h"

namespace fdaudit::shim {

/// The number of the current call path, 0 when it could not be recorded. `nested`: see Guard.
uint32_t StackNumber(const CallerRegisters& caller, bool nested);

/// The number of the path that consists of the caller alone, by its return address. No walk: 3 ns where it is known.
uint32_t CallerNumber(uintptr_t pc);

/// The value of LD_PRELOAD (nullptr = none) at the image's start: modules that it names are marked in the trace.
void RememberPreloaded(const char* list);

/// After dlclose: addresses may mean other modules now.
void ForgetAddresses();

}  // namespace fdaudit::shim
