#pragma once

// The event journal: a ring of blocks, each filled by one thread. Only `dump` reads it; findings never depend on it.

#include <cstdint>
#include <vector>

#include "analyzer/trace/trace_file.h"
#include "shim/trace/format.h"

namespace fdaudit::analyzer {

struct JournalEvent {
  uint32_t image;
  uint32_t thread;
  trace::Event event;
};

/// Where an event lies, and when it happened: what sorting needs.
struct EventKey {
  uint64_t stamp;
  uint64_t place;  ///< block * kEventsPerBlock + index within it
};

/// Keys of all valid events, in the file's order. Events of an older lap of the ring are left out.
std::vector<EventKey> ListEvents(const TraceFile& file);

/// The event at `place`; false where it has been overwritten since.
bool GetEvent(const TraceFile& file, uint64_t place, JournalEvent* out);

/// Whether the journal has lost its beginning, or there is none.
bool JournalIsCut(const TraceFile& file);

}  // namespace fdaudit::analyzer
