#pragma once

// What the shim proved at the moment, as the judge sees it: closes and uses that failed with EBADF, stale closes caught
// in the act, closes of what another owner held.

#include "analyzer/model/process.h"
#include "shim/trace/format.h"

namespace fdaudit::analyzer {

/// A call whose path the trace had no room for. (What came with the process was no call here.)
inline bool HasLostPath(const trace::Act& act) {
  const bool was_call = act.stamp != 0 && (act.flags & (trace::kActInherited | trace::kActSeenAtEnd)) == 0;
  return was_call && act.stack == trace::kNoIndex;
}

/// Whether two acts of one file have the same call path. Of a lost one that is not known.
inline bool HaveSamePath(const trace::Act& a, const trace::Act& b) {
  return a.stack == b.stack && !HasLostPath(a) && !HasLostPath(b);
}

struct Proof {
  ProcessIndex process;
  trace::FindingRecord record;

  /// The number's last life, and the one before it.
  const trace::Incarnation& last() const { return record.lives[0]; }
  const trace::Incarnation& before() const { return record.lives[1]; }
  bool is_close() const { return record.kind == trace::FindingKind::kFailedClose; }
  bool is_use() const { return record.kind == trace::FindingKind::kFailedUse; }
  /// A use that failed on an open number. Of which life it was meant is the judge's to say.
  bool is_misuse() const { return record.kind == trace::FindingKind::kMisuse; }
  bool is_error() const { return record.kind == trace::FindingKind::kCloseError; }
};

}  // namespace fdaudit::analyzer
