#pragma once

// What a Python frame is called: file, qualified function name and line, as the trace keeps them. Asked when a call
// path is first seen. Usable in every context.

#include <cstdint>

#include "shim/runtimes/python/frames.h"

namespace fdaudit::shim::python {

/// The frame as a word of a stack (trace::kPythonFrame).
uint64_t FrameWord(const PythonFrame& frame, bool guarded);

/// The line that a frame is at; 0 = none.
uint32_t LineOf(const PythonFrame& frame, bool guarded);

}  // namespace fdaudit::shim::python
