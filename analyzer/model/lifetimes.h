#pragma once

// The lives of descriptor numbers over time, for timelines: from the ledger, which knows the last two lives of each
// number with all that is to be told of them, and from the journal, which knows older ones as far as it reaches. No
// detector asks this: a journal may have lost its beginning.

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct Lifetime {
  ProcessIndex process;
  int fd;
  double begin_s;  ///< in this process: for what was inherited, its start
  double end_s;    ///< the process's end, or now, for what was never closed
  bool is_open;    ///< at the process's end
  bool is_inherited;
  bool is_begin_known;  ///< false: the journal has lost the opening, or nobody saw it
  trace::FdKind kind;
  std::string target;  ///< empty: unknown
  std::string call;    ///< that opened it; empty: unknown
  PathId path;
  std::string closing_call;
  PathId closing_path;
};

/// In the order of processes, numbers and beginnings. What a forked process inherited and never touched is not there.
std::vector<Lifetime> LifetimesOf(Model& model);

/// Whether the journal of a trace file has lost its beginning.
bool JournalIsCut(const TraceFile& file);

}  // namespace fdaudit::analyzer
