#pragma once

// Where the threads of a process stand: of a live one from /proc and by ptrace, of a dead one from its core file.
//
// A live process must not notice. A thread is stopped, for the moment that it takes to copy its registers and its
// stack, only where the kernel goes on with what the thread waits in as if nothing had been. What might fail with EINTR
// (epoll_wait, sockets, which may have a timeout) is left alone: its stack is read from where it lies, and followed as
// far as that goes without the registers.

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "analyzer/target/code_map.h"

namespace fdaudit::analyzer {

struct WaitedFor {
  int fd;
  std::string link;  ///< what /proc/PID/fd says; empty for a core
};

struct StoppedThread {
  int tid = 0;
  std::string name;
  char state = '?';                  ///< as in /proc/PID/stat: R runs, S sleeps …
  std::string call;                  ///< the system call it is in; empty = none
  std::vector<WaitedFor> waits_for;  ///< descriptors
  std::vector<CodePlace> frames;     ///< innermost first, inside the call instructions
  std::string problem;               ///< why there is less than there should be; empty = all is there
};

struct StoppedProcess {
  int pid = 0;
  std::string program;
  int signal = 0;  ///< of a core: what ended it
  bool is_core = false;
  int64_t written_realtime_ns = 0;  ///< of a core: when its file was
  std::vector<StoppedThread> threads;
  std::vector<std::string> problems;
};

/// A process that has a pipe open.
struct PipeHolder {
  int pid;
  std::string program;
  int fd;
  bool can_write;
  bool can_read;
};

/// Nothing where there is no such process.
std::optional<StoppedProcess> LookAtProcess(int pid);

/// What the thread waits in, from /proc alone. `problem` says why it is not known.
StoppedThread LookAtThread(int pid, int tid);

/// Who has which pipe open, as far as processes may be looked at. /proc is searched once.
class PipeHolders {
 public:
  PipeHolders();
  /// Of the pipe "pipe:[4711]".
  const std::vector<PipeHolder>& Of(const std::string& link);

 private:
  std::unordered_map<std::string, std::vector<std::pair<int, int>>> ends_;  // process and number, by link
  std::unordered_map<std::string, std::vector<PipeHolder>> holders_;        // of those asked for
};

/// Throws TraceError.
StoppedProcess LookAtCore(const std::string& file);

}  // namespace fdaudit::analyzer
