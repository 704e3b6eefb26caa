#pragma once

// A finding's id: "1:" and 16 hexadecimal digits, 1 being the version of these rules. Equal for the same cause in
// another run, on another machine, and after unrelated lines moved. Hashed are
//   - the kind;
//   - of the line to look at first the function's name and the module's base name without what follows ".so" (a Python
//     frame: the source file's base name); where it has no name the module's base name and the offset in it (code made
//     at run time: "?");
//   - the call that was made there.
// No address, line number, pid, descriptor number or directory. Several findings of one report that agree in all of
// that (two places in one function) are distinguished by their order in the code.

#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/call_paths.h"

namespace fdaudit::analyzer {

void AssignFingerprints(CallPaths& paths, std::vector<Finding>* findings);

}  // namespace fdaudit::analyzer
