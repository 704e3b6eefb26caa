#pragma once

// Source files, where they lie on this machine: read, and what tells a line from the others.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fdaudit::analyzer {

/// The whole file. Nothing where it is no source file by its name (a trace may name any file of the machine that reads
/// it), no regular file, longer than 4 MB, or not there.
std::optional<std::string> ReadSourceFile(const std::string& path);

/// A line without its comment and without the blanks by which formatters differ. `is_python`: what a comment is.
std::string NormalisedLine(std::string_view line, bool is_python);

/// What distinguishes lines of a function, wherever these have moved to. Keeps 8 bytes for each line of each file.
class SourceLines {
 public:
  struct Identity {
    uint64_t text;     ///< hash of the normalised line
    uint32_t ordinal;  ///< equal lines before it in the function
  };

  /// Of line `line` in the function that begins at `first_line` (0 = unknown, then `ordinal` is 0); both from 1.
  /// Nothing where the file can't be read, is shorter, or the line says nothing.
  std::optional<Identity> Find(const std::string& file, int first_line, int line);

 private:
  const std::vector<uint64_t>& HashesOf(const std::string& file);

  std::unordered_map<std::string, std::vector<uint64_t>> files_;
};

}  // namespace fdaudit::analyzer
