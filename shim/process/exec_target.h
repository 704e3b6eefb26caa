#pragma once

// What the kernel will load for an exec, looked at beforehand: whether the shim can be in it, and whether the dynamic
// linker would complain about having to load it.
//
// Looking needs a descriptor for a moment. So it is done only where no other task uses this table, whose open(2) could
// get another number for it, and with signals blocked. Elsewhere the analyzer looks afterwards. Only raw system calls;
// any context.

#include <fcntl.h>

#include "shim/trace/format.h"

namespace fdaudit::shim {

/// libc's headers promise that a name is no null pointer, and the compiler believes them: it drops what asks.
inline const char* Unpromised(const char* name) {
  asm("" : "+r"(name));
  return name;
}

/// How an exec names its program.
struct ProgramName {
  const char* path;          ///< nullptr or "" = `directory` is the program (fexecve)
  int directory = AT_FDCWD;  ///< what a relative path starts from
  bool sought = false;       ///< a name without a slash is looked up in PATH
};

struct ExecOutlook {
  trace::ExecProblem problem = trace::ExecProblem::kNone;  ///< why the program will not be audited
  bool is_known = false;  ///< the program was looked at; with kNone: nothing speaks against its being audited
  /// Of another architecture: its dynamic linker, if any, would refuse the shim on the program's standard error.
  bool refuses_shim = false;
};

/// errno is left alone.
ExecOutlook LookAtProgram(const ProgramName& name);

}  // namespace fdaudit::shim
