#pragma once

// How a program becomes a daemon: it opens what it needs, forks, and exits; the child, or a child of that one, begins a
// session of its own (setsid, daemon) and goes on with what was opened. What those that exit still have open then is no
// leak. A helper in a session of its own that executes another program (an agent, a browser) has nothing of what is
// close-on-exec, nor of what a child on the way to it has closed.

#include <cstdint>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

class HandedOver {
 public:
  explicit HandedOver(const Model& model);

  /// Whether `life` of number `fd`, which `process` had opened, and left open when it exited, went on in a daemon.
  bool Contains(ProcessIndex process, int fd, const trace::Incarnation& life) const;

 private:
  /// Forked processes, each one's parent before it; the last one executes the program that goes on.
  using Descent = std::vector<ProcessIndex>;

  void FindForked();
  void FindExecuting();
  bool IsKept(const Descent& descent, int fd, const trace::Incarnation& life) const;

  const Model& model_;
  std::vector<double> ended_s_;  ///< by process, the end of it and of what it executed; for ever, where that is unknown
  std::vector<double> forked_s_;  ///< by process, the start of its last child that led to a daemon; negative = none
  std::vector<std::vector<Descent>> executing_;  ///< by process: its descendants that execute one
};

}  // namespace fdaudit::analyzer
