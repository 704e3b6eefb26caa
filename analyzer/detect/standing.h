#pragma once

// Where the threads of a hung or crashed process stand, and what the traces know of the descriptors that they
// wait on: what these are, who opened them, and who holds the other end.

#include <functional>
#include <string>
#include <vector>

#include "analyzer/detect/table_at.h"
#include "analyzer/model/model.h"
#include "analyzer/target/stopped_process.h"

namespace fdaudit::analyzer {

/// A process that holds the other end of what is waited on, and what itself is doing.
struct EndHolder {
  int pid = 0;
  ProcessIndex process = kNoProcess;  ///< kNoProcess: not audited
  std::string program;
  int fd = -1;
  bool is_confirmed = false;  ///< the kernel says so now
  StoppedThread main_thread;  ///< of a live process; call and waits_for alone
};

struct WaitedDescriptor {
  int fd = -1;
  bool is_known = false;  ///< to the traces
  trace::FdKind kind = trace::FdKind::kUnknown;
  std::string target;   ///< of the trace, else what /proc says
  std::string watches;  ///< epoll sets
  std::string call;     ///< that opened it
  PathId path = kNoPath;
  ProcessIndex opener = kNoProcess;
  bool has_other_end = false;
  std::vector<EndHolder> holders;  ///< of the other end
};

struct StandingThread {
  StoppedThread stopped;
  std::vector<Frame> frames;  ///< symbolized
  std::vector<WaitedDescriptor> waits_for;
};

struct Standing {
  int pid = 0;
  ProcessIndex process = kNoProcess;  ///< kNoProcess: the traces don't know it
  std::string program;
  bool is_core = false;
  int signal = 0;  ///< of a core
  std::vector<StandingThread> threads;
  std::vector<std::string> problems;
};

/// Names an address as CallPaths does.
using NamePlace = std::function<std::vector<Frame>(const CodePlace&)>;

Standing DescribeStanding(Model& model, const StoppedProcess& stopped, const NamePlace& name);

}  // namespace fdaudit::analyzer
