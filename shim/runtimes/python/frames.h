#pragma once

// The calling thread's Python frames. Only this thread changes their chain, so they are read without the global lock,
// and without touching a reference count. Usable in every context; nothing is written to.

#include <cstdint>

#include "shim/runtimes/python/interpreter.h"

namespace fdaudit::shim::python {

/// What a frame executes.
struct PythonFrame {
  uintptr_t code;        ///< PyCodeObject
  uint64_t instruction;  ///< as Layout::frame_instruction has it
  bool is_generator;
};

/// The frames, innermost first, in the runs that the evaluations on the native stack execute: one evaluation executes
/// several functions from 3.11 on.
class Runs {
 public:
  /// `guarded`: nothing of it may be taken for granted.
  Runs(uintptr_t thread_state, bool guarded);

  /// The next run outwards. False: there is none.
  bool NextRun();
  /// Its evaluation has this address in its native frame; 0 = unknown.
  uintptr_t place() const { return place_; }
  /// The next frame of the run. Those that Python itself does not show (a function that has not begun) are left out.
  bool NextFrame(PythonFrame* out);
  /// What was read is no chain of frames.
  bool damaged() const { return damaged_; }

 private:
  uint64_t Word(uintptr_t address) const;
  uint8_t Byte(uintptr_t address) const;
  uintptr_t FindPlace();
  bool IsShown(const PythonFrame& frame) const;

  const Layout& layout_;
  const bool guarded_;
  uintptr_t frame_;
  uintptr_t chain_ = 0;
  uintptr_t place_ = 0;
  bool began_ = false;
  bool run_is_over_ = true;
  bool damaged_ = false;
};

inline constexpr uint64_t kNoFrames = 0;
inline constexpr uint64_t kNotFrames = 1;  ///< what was found is something else
/// A number that changes with the frames, as far as `depth` of them, and with what their code objects are.
uint64_t HashFrames(uintptr_t thread_state, uint32_t depth, bool guarded);

/// The same of the calling thread, whose state goes to `thread_state` (0 = its frames are not to be read). `guarded`:
/// set where care is called for.
uint64_t HashThread(uint32_t depth, bool* guarded, uintptr_t* thread_state);

/// A number that distinguishes a code object from others, also from those that lay at the same address before.
uint64_t Identity(uintptr_t code, bool guarded);

}  // namespace fdaudit::shim::python
