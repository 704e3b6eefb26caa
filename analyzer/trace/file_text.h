#pragma once

// A whole file as text: what a user wrote, what /proc says. Never throws: a process may end while it is read, and a
// file may be anything.

#include <cstddef>
#include <string>

namespace fdaudit::analyzer {

struct FileText {
  std::string text;  ///< what was read, also where an error ended it
  int error = 0;     ///< errno; EISDIR for a directory, EFBIG where there is more than `most`

  explicit operator bool() const { return error == 0; }
};

inline constexpr size_t kMostFileText = size_t{64} << 20;

/// Reads from the start to the end: of a regular file, of one in /proc, of a pipe (whose writers it waits for). A byte
/// order mark of UTF-8 is left out.
FileText ReadFileText(const std::string& path, size_t most = kMostFileText);

}  // namespace fdaudit::analyzer
