#pragma once

// How a program becomes a daemon: it opens what it needs, forks, and exits; the child, or a child of that one, begins a
// session of its own (setsid, daemon) and goes on with what was opened. What those that exit still have open then is no
// leak.

#include <cstdint>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class HandedOver {
 public:
  explicit HandedOver(const Model& model);

  /// Whether what `process` had opened at `stamp` went on in a daemon when the process exited.
  bool Contains(ProcessIndex process, uint64_t stamp) const;

 private:
  const Model& model_;
  std::vector<double> latest_;  // by process: start of its last child that led to a daemon; negative = none
};

}  // namespace fdaudit::analyzer
