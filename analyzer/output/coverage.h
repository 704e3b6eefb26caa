#pragma once

// What an audit did not see, in words: honest and short.

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

/// A descriptor that came or went without a recorded call, as far as the end of its process shows it.
struct Untracked {
  bool is_open;  ///< it was found open; else it was found closed
  int fd;
  trace::FdKind kind;
  std::string target;  ///< what the kernel said at the end; of what was closed, what was recorded
  double not_before_s;
  double not_after_s;
  const char* why;  ///< short name of what may have done it
};

inline constexpr size_t kMaxUntracked = 100;  ///< of one process

/// Those of all processes, each by its number's order.
std::map<ProcessIndex, std::vector<Untracked>> UntrackedDescriptors(const Model& model);

/// "evidence was lost for lack of room from 0.120 s on (3 findings, 1 call path), so findings may be missing"; empty
/// where nothing was.
std::string DescribeLosses(const Losses& lost);

/// One line for each way in which something was missed; none where all was seen.
std::vector<std::string> CoverageLines(const Model& model);

}  // namespace fdaudit::analyzer
