#pragma once

// A finding's id: the version of these rules, a colon, and 16 hexadecimal digits. Equal for the same cause in another
// run, on another machine, and after unrelated lines moved; whatever else is found. Hashed are
//   - the kind;
//   - of the line to look at first the function's name and the module's base name without what follows ".so" (a Python
//     frame: the source file's base name); where it has no name the module's base name and the offset in it (code made
//     at run time: "?" and the names around it);
//   - the place in that function: the source line without blanks and comments, and how many equal ones precede it
//     there; where the source cannot be read, which of the function's calls of the same target it is in the binary, or
//     as the last resort its line, counted from the function's first;
//   - the call that was made there.
// No address, line number, pid, descriptor number or directory.
//
// Version 1 numbered findings that agreed in function and call by their order within a report.

#include <vector>

#include "analyzer/detect/finding.h"
#include "analyzer/model/call_paths.h"

namespace fdaudit::analyzer {

inline constexpr int kFingerprintVersion = 2;

void AssignFingerprints(CallPaths& paths, std::vector<Finding>* findings);

}  // namespace fdaudit::analyzer
