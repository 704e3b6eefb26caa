#pragma once

// Which trace file an image writes. The first one of a process tree makes it, and those that it starts join it. One
// that may not (another user, a chroot, a mount namespace of its own) makes or joins a second file of the family, which
// names the first (trace::Header::family), and whose images name the ones that they continue (ImageRecord::origin_*).
//
// The first file lies in the trace folder where that is in memory; else in /dev/shm/fdaudit-UID, and the folder gets a
// pointer to it (trace::kPointerMagic). The second file lies beside the first where this process may write there, else
// in /dev/shm/fdaudit-UID. A directory is known to be the first file's by that file's being seen in it: in a chroot the
// path may lead elsewhere.

#include <cstdint>

#include "shim/base/options.h"

namespace fdaudit::shim {

/// Why a folder is not used in which others may put, or replace, what they like.
inline constexpr char kForeignFolder[] =
    "the trace directory is not used: it belongs to another user, or others may write to it";

/// The folder of the file that is written to.
inline const char* SessionPlace() { return options.place[0] != '\0' ? options.place : options.trace; }

/// Opens the trace by the options, which name the file that is written to from then on. `is_named`: it was the user who
/// named the directory. False: nothing can be recorded there, and `problem` says why.
bool OpenSession(bool is_named, const char** problem);

/// Where the image before this one is recorded, if not in the file that this one writes to.
struct Origin {
  char file[160] = "";  ///< empty: in the same file, if at all
  uint64_t image = 0;   ///< its number there; 0 = unknown
};
inline constinit Origin origin;

}  // namespace fdaudit::shim
