#pragma once

// What each process had open at its end (or has open now, where it runs), by call path. The counts of a process add up
// to its `open_at_end`, so that nothing of a table goes missing in a picture of it.

#include <cstdint>
#include <vector>

#include "analyzer/output/open_at_end.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

struct Holding {
  ProcessIndex process;
  Origin origin;
  PathId path;
  trace::FdKind kind;
  uint64_t open = 0;
  uint64_t leaked = 0;  ///< those of them that a leak of severity error or warning is about
};

/// By process, origin, path and kind. Images that ended by exec hold nothing: the next one has it.
std::vector<Holding> HoldingsOf(const Report& report);

/// "[inherited]"; empty for what the process opened.
const char* FrameOf(Origin origin);

}  // namespace fdaudit::analyzer
