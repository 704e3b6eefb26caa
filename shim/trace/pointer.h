#pragma once

// What stands in a trace folder, under the trace's name, for one that is recorded in memory: this line and its path.
// The analyzer includes this, too.

namespace fdaudit::trace {

inline constexpr char kPointerMagic[] = "fdaudit trace in memory\n";

}  // namespace fdaudit::trace
