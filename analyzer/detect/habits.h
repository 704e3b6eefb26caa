#pragma once

// Which function's descriptors are closed by which function: the habit that distinguishes a rightful close from one
// that hit somebody else's descriptor. Counted by the trace; in one that has no counts, as far as the ledger remembers.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "analyzer/detect/evidence.h"
#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// A function by name, module and file; 0 = unknown.
using FunctionId = uint32_t;

class Habits {
 public:
  Habits(Model& model, const Evidence& evidence);

  FunctionId FunctionOf(uint32_t file, const trace::Act& act);
  /// The functions of its call path that are not runtime code, from the innermost outwards.
  std::vector<FunctionId> FunctionsOf(uint32_t file, const trace::Act& act);

  /// How many descriptors that `opener` opened `closer` has closed.
  uint64_t Closed(FunctionId opener, FunctionId closer) const;
  /// How many of `opener` were closed by others than `closer`.
  uint64_t ClosedByOthers(FunctionId opener, FunctionId closer) const;
  /// `closer` is the end of what one function opens, time and again, but for a single slip.
  bool ClosesForOne(FunctionId closer) const;

 private:
  FunctionId FunctionOf(PathId path);
  FunctionId IdOf(const Frame& frame);
  bool ReadCounts();
  void Note(PathId opening, PathId closing, uint64_t count);

  Model& model_;
  std::map<std::string, FunctionId> ids_;
  std::map<PathId, FunctionId> of_path_;
  std::set<PathId> others_;                                      ///< paths that close whatever is there: ranges, dup2
  std::map<std::pair<FunctionId, FunctionId>, uint64_t> pairs_;  // opener, closer
};

}  // namespace fdaudit::analyzer
