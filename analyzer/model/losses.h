#pragma once

// Evidence that a trace had no room for. A report of such a session may lack findings: it says so, and the gate fails.
// The journal is not among it, a ring that no finding depends on.

#include <algorithm>
#include <cstdint>
#include <optional>

namespace fdaudit::analyzer {

struct Losses {
  uint64_t findings = 0;  ///< moments that should have become a finding's record
  uint64_t stacks = 0;    ///< call paths, or modules and Python functions among their frames
  uint64_t images = 0;    ///< programs and forked processes that have no record at all
  uint64_t events = 0;    ///< opens and closes that are missing from their process's ledger
  /// Of the session, when the first was lost; unknown where nothing was, or by old shims.
  std::optional<double> since_s = {};

  bool Any() const { return findings != 0 || stacks != 0 || images != 0 || events != 0; }

  void Add(const Losses& other) {
    findings += other.findings;
    stacks += other.stacks;
    images += other.images;
    events += other.events;
    if (other.since_s) since_s = std::min(since_s.value_or(*other.since_s), *other.since_s);
  }
};

}  // namespace fdaudit::analyzer
