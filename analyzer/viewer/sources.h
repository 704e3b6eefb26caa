#pragma once

// Lines of source files, where they lie on this machine.

#include <map>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

class Sources {
 public:
  struct Line {
    int number;
    std::string text;  ///< valid UTF-8
  };

  /// Line `line` (from 1) of `file`, and `around` lines before and behind it. None where it is no source file by its
  /// name (a trace may name any file of the machine that reads it), is not there, or is shorter.
  std::vector<Line> Around(const std::string& file, int line, int around);

 private:
  const std::vector<std::string>& LinesOf(const std::string& file);

  std::map<std::string, std::vector<std::string>> files_;
};

}  // namespace fdaudit::analyzer
