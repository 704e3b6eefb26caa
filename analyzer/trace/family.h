#pragma once

// The trace files of one process tree: images that could not join the first file (another user, a chroot, a mount
// namespace of their own) have made others, named after it, in its directory or in /dev/shm/fdaudit-UID.
//
// Anybody may put a file of such a name there. One is taken for a part of the session where it belongs to root, to the
// reader, to the owner of one that is, or to a user as which one of the session's programs went on, by the word of a
// file that is.

#include <string>
#include <vector>

#include "analyzer/trace/trace_file.h"

namespace fdaudit::analyzer {

/// The first file's name, without its directory.
std::string FamilyName(const TraceFile& file);

struct Relatives {
  std::vector<TraceFile> files;     ///< of one of the families, and not among those given; by name
  std::vector<std::string> closed;  ///< directories that may hold some and can't be read here, with the reason
  std::vector<std::string> notes;   ///< what is wrong with some of them, a sentence each
};

/// Looks for the families' files in the directories of `files` and in memory-backed storage.
Relatives FindRelatives(const std::vector<TraceFile>& files);

}  // namespace fdaudit::analyzer
