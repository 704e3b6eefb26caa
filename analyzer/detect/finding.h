#pragma once

// What a detector found: one cause, with the story of its events. docs/findings.md says what each kind means.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analyzer/detect/judge/ruling.h"
#include "analyzer/model/call_paths.h"
#include "analyzer/model/process.h"
#include "shim/trace/format.h"

namespace fdaudit::analyzer {

enum class Kind {
  kLeak,
  kDoubleClose,
  kWrongClose,
  kUseAfterClose,
  kCollateralClose,
  kOverwrite,
  kBadUse,
  kBadClose,
  kCloseError,
  kExhausted,
  kStdReused,
  kExecLeak,
  kPipeHeld,
  kClosedInUse,
};
inline constexpr size_t kKinds = 14;

enum class Severity { kError, kWarning, kNote };  // worst first
enum class State { kNew, kKnown, kSuppressed };   // against a baseline and suppressions

enum class Role {
  kOpened,
  kDuplicated,
  kInherited,
  kReceived,
  kClosed,
  kReopened,
  kClosedAgain,
  kUsed,
  kOwnerCloseFailed,
  kOverwritten,
  kExec,
  kForked,
  kExhausted,
};

/// Who sent a descriptor that came over a socket.
struct Sender {
  int pid = 0;  ///< 0 = unknown
  ProcessIndex process = kNoProcess;
};

struct StoryEvent {
  Role role;
  std::string call;  ///< the intercepted function; empty where there was none
  ProcessIndex process = kNoProcess;
  uint32_t thread = 0;
  double time_s = 0;
  int fd = -1;
  PathId path = kNoPath;
  bool has_lost_path = false;                   ///< the trace had no room for it
  std::optional<Sender> sender = std::nullopt;  ///< of what was received
  uint64_t count = 0;          ///< of descriptors, where the event stands for a call path's; 0 = for one
  int made_from = -1;          ///< of what was duplicated
  bool is_background = false;  ///< an original's story: of use to the reader, no part of the cause
  size_t seen_through = 0;     ///< innermost frames that are only a door through which several acts came
};

struct DescriptorNote {
  int fd = -1;
  trace::FdKind kind = trace::FdKind::kUnknown;
  uint16_t detail = 0;
  std::string target;
  bool close_on_exec = false;
  std::optional<Sender> received_from = std::nullopt;
  int registered_in = -1;  ///< the epoll set that watches it; -1 = none known
  int duplicated_from = -1;
};

/// How a leak grew in one process: calls whose descriptors are still open, and what that comes to.
struct Growth {
  uint64_t calls = 0;  ///< of the finding's call path
  double first_s = 0;
  double last_s = 0;
  uint64_t calls_here = 0;  ///< of the same line, over whatever call paths
  uint64_t paths_here = 0;
  uint64_t open = 0;      ///< all descriptors of the process in the end, or so far
  uint64_t limit = 0;     ///< RLIMIT_NOFILE when it began; 0 = unknown
  double per_second = 0;  ///< descriptors that the line leaves, from the first one to the process's end; 0 = unknown
};

/// What became of the descriptors that were opened where a leak was.
struct Siblings {
  enum class Of { kPath, kLine };
  struct Closer {
    PathId path;
    uint64_t count;
  };
  Of of = Of::kPath;  ///< the same call path, or, where none of its were closed, the same line over other call paths
  uint64_t opened = 0;
  uint64_t closed = 0;
  bool is_complete = true;      ///< false: there were more than the trace had room to count
  std::vector<Closer> closers;  ///< the most first
};

/// How many of a leak's descriptors a call used last.
struct LastUse {
  std::string call;
  PathId path = kNoPath;  ///< of the caller alone, unless the trace has whole ones
  uint64_t count = 0;
};

inline constexpr size_t kMaxLastUses = 20;
inline constexpr size_t kMaxClosers = 5;
inline constexpr size_t kMaxFds = 100;
inline constexpr size_t kMaxDescriptors = 20;

struct Finding {
  Finding(Kind its_kind, Severity its_severity, Certainty its_certainty = Certainty::kProven)
      : kind(its_kind), severity(its_severity), certainty(its_certainty) {}

  Kind kind;
  Severity severity;
  Certainty certainty;
  bool growing = false;
  bool over_images = false;             ///< leak: each image of one process left some to the next
  bool held_until_exit = false;         ///< leak: closed by the end of the program alone (program_end.h)
  bool collected = false;               ///< leak: closed by Python's collector alone, in the midst of the run
  std::array<bool, kKinds> includes{};  ///< kinds of which it has taken events in, and for which it gates too
  std::string why;                      ///< wrong-close and double-close: what decided; empty = the events alone
  uint64_t variants = 1;                ///< different histories, by their call paths
  bool one_time = false;                ///< somebody else keeps it for good (`keeper`), and opened it once
  std::vector<ProcessIndex> processes;  ///< each once, in the order of their starts
  uint64_t count = 0;
  std::vector<int> fds;  ///< distinct, ascending, at most kMaxFds
  std::vector<DescriptorNote> descriptors;
  std::vector<StoryEvent> events;  ///< of the first descriptor
  size_t deciding = 0;             ///< index in events
  double latest_s = 0;             ///< when the latest of several happened, as far as known; 0 = the deciding one
  std::string claim;               ///< wrong-close: who held what was closed, and by which tags; empty = its opener.
                                   ///< bad-use: what the open number is not open for; empty = it was never open
  std::string keeper;              ///< leak: who keeps it for itself, and until when; empty = the program has it
  int error = 0;                   ///< errno that the finding is about, or that a close of its story reported
  int limit = 0;                   ///< exhausted: RLIMIT_NOFILE then
  uint64_t held = 0;               ///< exhausted: descriptors open then
  double waited_s = 0;             ///< pipe-held: how long the read had waited in the end, or until now
  std::optional<Growth> growth;    ///< leak: of the process where most calls left theirs; none where it was one call

  std::vector<LastUse> last_uses;  ///< leak: as far as known (last_use.h)

  std::optional<Siblings> siblings;  ///< leak: filled by AddSiblings() (siblings.h); none where it is not known

  // Filled by Finish() (finish.h).
  std::string id;
  bool own = false;  ///< in code that is not the system's
  std::string message;
  std::optional<Frame> location;
  std::string context;  ///< the test in which the deciding event happened; empty = none

  // Filled by the gate.
  State state = State::kNew;
  bool gates = false;
};

const char* Name(Severity severity);
const char* Name(Certainty certainty);
const char* Name(Role role);

}  // namespace fdaudit::analyzer
