#pragma once

// The life of every descriptor, as far as the journal and the ledgers know it: who got number 7 when, how, and how it
// ended. For views over time; findings never depend on it, because the journal is a ring and may have lost the oldest.

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct Life {
  ProcessIndex process = kNoProcess;
  int fd = -1;
  double begin_s = 0;    ///< in this process: of what was inherited, its start
  double end_s = 0;      ///< of what was never closed, the process's end, or now
  bool is_open = false;  ///< at the process's end
  bool is_inherited = false;
  bool is_begin_known = true;  ///< false: the journal has lost the opening, or nobody saw it
  bool is_copy = false;        ///< of a life in the forking parent; while it is open, nothing is recorded of it here
  trace::FdKind kind = trace::FdKind::kUnknown;
  std::string target;  ///< of the number's last life only; "" = not known
  std::string call;    ///< that opened it, in an ancestor where it was inherited; "" = not known
  PathId path = kNoPath;
  std::string adopting_call;  ///< that made it a FILE*'s or DIR*'s; "" = none, or not known
  std::string closing_call;
  PathId closing_path = kNoPath;
};

/// What happened to a number, or to the whole table, without a life's beginning or end.
struct Incident {
  enum class Kind { kCloseFailed, kStaleClose, kTableFull };
  Kind kind;
  ProcessIndex process;
  int fd;  ///< -1 = no number
  double time_s;
  PathId path;
  std::string call;
};

struct Lives {
  std::vector<Life> lives;  ///< in the order of processes, numbers and beginnings
  std::vector<Incident> incidents;
  bool complete = true;  ///< the journals hold all events of their processes
  double until_s = 0;    ///< the last that is known of: of a running program, now
};

Lives ReadLives(Model& model);

}  // namespace fdaudit::analyzer
