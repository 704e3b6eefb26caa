#pragma once

// The trace files of one process tree: images that could not join the first file (another user, a chroot, a mount
// namespace of their own) have made others, named after it, in its directory or in /dev/shm/fdaudit-UID. These belong
// to other users, who may have put anything there; a file is taken by its header's word, as a trace is anyway.

#include <string>
#include <vector>

#include "analyzer/trace/trace_file.h"

namespace fdaudit::analyzer {

/// The first file's name, without its directory.
std::string FamilyName(const TraceFile& file);

struct FamilySearch {
  std::vector<std::string> files;   ///< of one of the families, and not among those given; sorted
  std::vector<std::string> closed;  ///< directories that may hold some and can't be read here, with the reason
};

/// Looks for the families' files in the directories of `files` and in memory-backed storage.
FamilySearch FindFamilies(const std::vector<TraceFile>& files);

}  // namespace fdaudit::analyzer
