#pragma once

// libunwind as the source of unwind rules: the option `unwinder=libunwind`, and the referee of the tests, which
// compares its rules with ours. libunwind_rules.cc is the one file of the shim that knows libunwind.
//
// libunwind is loaded by dlopen, only when asked for, and never walks the audited program's stack: its local unwinder
// would open a pipe, deadlock in forked children and remember frames of unloaded libraries. It is asked for the rule of
// one address at a time, through its remote interface, on a made-up frame (see the .cc); the walk then is ours as ever.

#include <cstdint>

#include "shim/stack/objects.h"
#include "shim/stack/rule.h"

namespace fdaudit::shim {

/// Loads libunwind and makes it the rule source. False: there is none that can be loaded, and all stays as it was. From
/// a constructor, before other threads exist: dlopen(3) allocates, and libunwind's own initialisation may open
/// descriptors, which are closed again.
bool UseLibunwindRules();

/// Only loads it.
bool LoadLibunwind();

/// libunwind's rule, comparable bit by bit with FindCfiRule's. After LoadLibunwind() has succeeded. Not reentrant.
/// `inexpressible` (may be nullptr): what makes the rule kUnknown.
Rule ProbeLibunwindRule(const Module& module, uintptr_t pc, const char** inexpressible = nullptr);

}  // namespace fdaudit::shim
