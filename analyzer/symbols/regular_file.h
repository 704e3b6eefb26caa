#pragma once

// Opening what a trace or a user names, which may be anything.

#include <string>

namespace fdaudit::analyzer {

/// Opens a regular file for reading; `flags` are added (open(2)). Never waits, as for a pipe's other end. -1 with errno
/// on failure; EINVAL where the file is no regular one (EISDIR for a directory).
int OpenRegularFile(const std::string& path, int flags = 0);

}  // namespace fdaudit::analyzer
