#pragma once

// The shim's options: one variable, FDAUDIT_OPTIONS, sanitizer style ("trace=/tmp/t:depth=64"). Read once for each
// image, at its start, before any thread of the program exists.

#include <climits>
#include <cstddef>
#include <cstdint>

#include "shim/base/settings.h"

namespace fdaudit::shim {

inline constexpr char kOptionsVariable[] = "FDAUDIT_OPTIONS";
inline constexpr size_t kMaxOptionText = 1024;
inline constexpr uint32_t kUsualQuarantine = 64;  ///< what quarantine=1 means
inline constexpr uint32_t kMaxQuarantine = settings::kMostQuarantined;

struct Options {
  char trace[512] = "";    ///< directory; empty = the default one
  char session[160] = "";  ///< the trace file there that the process tree writes; set for children, not for users
  char place[64] = "";     ///< where that lies, if not in `trace`: in memory; set for children, not for users
  char family[112] = "";   ///< the family's first file, where `session` is another; set for children, not for users
  /// How much of LD_PRELOAD's value `fdaudit run` meant for this image alone: a sanitizer's library, which comes first.
  uint64_t ahead = 0;
  uint64_t token =
      0;  ///< goes into the header of each file that is made (trace::Header::run_token); set by `fdaudit run`
  char skip[256] = "";  ///< comma-separated file names of programs that run unaudited
  uint32_t depth = 64;  ///< frames, 1–256
  uint64_t image = 0;   ///< the record in the session that this process continues; set for children, not for users
  uint64_t journal = uint64_t{16} << 20;  ///< bytes
  /// Seccomp filters under which the shim's start is known to survive; set by `fdaudit run` and for children.
  uint64_t filters = UINT64_MAX;
  bool apart = false;  ///< the image before knew that this one can't reach the session; set for children, not for users
  bool follow = true;
  bool python = true;
  uint32_t quarantine = 0;  ///< closed numbers that rest
  bool uses = true;
  /// What is kept of the latest use of each descriptor.
  enum class LastUse : uint8_t { kNothing, kCaller, kStack };
  LastUse last_use = LastUse::kCaller;
  bool summary = false;
  bool libunwind = false;
};

inline constinit Options options;

/// Reads `text` (may be nullptr) into `options`. What it cannot use keeps its default and is reported in `complaint`
/// (one line, empty when all is well).
void ReadOptions(const char* text, char* complaint, size_t complaint_size);

/// True where `list` (comma-separated) names the file of `path`.
bool ListNames(const char* list, const char* path);

}  // namespace fdaudit::shim
