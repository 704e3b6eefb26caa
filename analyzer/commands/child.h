#pragma once

// Runs the audited program so that it sees no difference: same standard streams, process group, signal dispositions and
// mask as if it had been started without us, and no descriptor more. While it runs we pass on the signals that are sent
// to us.

#include <sys/types.h>

#include <string>
#include <vector>

namespace fdaudit::analyzer {

struct ChildResult {
  pid_t pid = 0;
  int wait_status = 0;
  int exec_error = 0;  ///< errno of the exec that failed; 0 = it ran
  int fork_error = 0;  ///< errno of the fork that failed
};

/// Starts argv[0] (sought in PATH as execvp(3) does) and waits for its end. Only one at a time; to be called while this
/// process has one thread.
ChildResult RunChild(const std::vector<std::string>& argv, const std::vector<std::string>& environment);

}  // namespace fdaudit::analyzer
