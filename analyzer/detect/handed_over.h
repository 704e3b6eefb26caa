#pragma once

// How a program becomes a daemon: it opens what it needs, forks, and exits; the child, or a child of that one, begins a
// session of its own (setsid, daemon) and goes on with what was opened. What those that exit still have open then is no
// leak. A helper in a session of its own that executes another program (an agent, a browser) has nothing of what is
// close-on-exec.

#include <cstdint>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class HandedOver {
 public:
  explicit HandedOver(const Model& model);

  /// Whether what `process` had opened, and left open when it exited, went on in a daemon.
  bool Contains(ProcessIndex process, const trace::Incarnation& life) const;

 private:
  /// By process: the start of its last child that led to a daemon; negative = none.
  using Starts = std::vector<double>;
  Starts FindLatest(bool beyond_exec) const;

  const Model& model_;
  Starts with_all_;        // that had all of the table: there was no exec on the way
  Starts with_kept_open_;  // that had, perhaps, what an exec leaves open
};

}  // namespace fdaudit::analyzer
