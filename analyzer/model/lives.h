#pragma once

// The life of every descriptor, as far as the journal and the ledgers tell: who got number 7 when, how, and how it
// ended. For views over time; findings never depend on it, because the journal is a ring and may have lost the oldest.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "analyzer/model/model.h"

namespace fdaudit::analyzer {

struct Life {
  static constexpr double kStillOpen = std::numeric_limits<double>::infinity();

  ProcessIndex process = kNoProcess;
  int fd = -1;
  double from_s = 0;  ///< since the session's start; of what was inherited, the process's start
  double to_s = kStillOpen;
  PathId opened_path = kNoPath;  ///< of what was inherited, the opener's
  PathId closed_path = kNoPath;
  std::string opened_by;  ///< the call; "" = not known
  std::string closed_by;
  std::string adopted_by;  ///< the call that made it a FILE*'s or DIR*'s; "" = none, or not known
  uint32_t incarnation = 0;
  trace::FdKind kind = trace::FdKind::kUnknown;
  bool inherited = false;
  bool open_at_end = false;  ///< of its process; to_s is that end, or kStillOpen while the process runs
  std::string target;        ///< of the number's last life only
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
  std::vector<Life> lives;  ///< by begin
  std::vector<Incident> incidents;
  bool complete = true;  ///< the journals hold all events of their processes
};

Lives ReadLives(Model& model);

}  // namespace fdaudit::analyzer
