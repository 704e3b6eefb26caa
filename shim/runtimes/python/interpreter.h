#pragma once

// The CPython in this process, once code of it has been met on a call path: the program itself, or a libpython that it
// was linked with or has loaded. Usable in every context.

#include <link.h>

#include <cstdint>

#include "shim/runtimes/python/layout.h"

namespace fdaudit::shim::python {

struct Interpreter {
  Layout layout;
  uintptr_t start;  ///< of its module
  uintptr_t end;
  uintptr_t thread_state;  ///< function: PyThreadState* (), of the calling thread, or nullptr
  uintptr_t is_up;         ///< function: int (), 0 before it is set up and from its finalization on
  uintptr_t code_type;     ///< PyCode_Type
  uintptr_t evaluation;    ///< _PyEval_EvalFrameDefault
  uintptr_t evaluation_end;
};

enum class Knowledge : uint8_t {
  kNone,     ///< no interpreter was met so far
  kUnknown,  ///< one whose structures are not known
  kKnown,
};

inline constinit Knowledge knowledge = Knowledge::kNone;
inline constinit Interpreter interpreter = {};

/// Looks whether a module [start, end), met for the first time, is an interpreter. `map`: nullptr where the dynamic
/// linker does not list it. True: it is one.
bool Consider(const link_map* map, uintptr_t start, uintptr_t end);

inline bool IsInterpreter(uintptr_t pc) { return pc >= interpreter.start && pc < interpreter.end; }

inline bool IsEvaluation(uintptr_t pc) { return pc > interpreter.evaluation && pc <= interpreter.evaluation_end; }

/// The structures are not what was thought: there are no Python frames from now on, and the report says so.
void GiveUp();

/// The calling thread's PyThreadState, 0 = it has none. `is_safe`: the interpreter is up, and the state can be read
/// without care; else it may be anything.
uintptr_t ThreadState(bool* is_safe);

}  // namespace fdaudit::shim::python
