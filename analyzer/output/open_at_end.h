#pragma once

// What is open in a ledger at its process's end (or now, where it runs), and which of it leaked.

#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "analyzer/detect/handed_over.h"
#include "analyzer/output/report.h"

namespace fdaudit::analyzer {

/// How a process came by a descriptor.
enum class Origin {
  kOpened,      ///< it opened or received it
  kInherited,   ///< by fork or exec; the call path is the one that opened it, where that is known
  kUnrecorded,  ///< the kernel's table has it and the ledger does not: inherited and never used, or opened unseen
};

Origin OriginOf(const trace::Slot& slot);
const char* Name(Origin origin);

/// Images that ended by exec hold nothing: the next one has it.
bool IsOpenAtEnd(const Process& process, const trace::Slot& slot);

/// What leaks of severity error and warning are about. A finding keeps the numbers of its first hundred descriptors; by
/// its line all of them are found.
class Leaked {
 public:
  explicit Leaked(const Report& report);
  /// Of what is open at the end.
  bool Contains(ProcessIndex process, int fd, const trace::Slot& slot) const;

 private:
  /// A process, and the line in which it opened what leaked. What has no call path is distinguished by the call.
  using Source = std::pair<ProcessIndex, std::string>;
  Source SourceOf(ProcessIndex process, PathId path, const std::string& call) const;

  Model& model_;
  HandedOver handed_over_;
  std::set<Source> sources_;
  mutable std::unordered_map<PathId, std::string> lines_;
};

}  // namespace fdaudit::analyzer
