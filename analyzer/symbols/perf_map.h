#pragma once

// Names of machine code that a just-in-time compiler made: the /tmp/perf-PID.map files that JVMs, V8 and others write
// on request, one "START SIZE NAME" a line (hexadecimal).

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

class PerfMap {
 public:
  /// Reads the file; false where it is missing, or where someone else than this user or root owns it: /tmp is
  /// everybody's.
  bool Load(const std::string& path);

  /// Takes the lines of `text`; lines that make no sense are skipped. Later lines win, since code space is reused.
  void Parse(std::string_view text);

  /// Name of the code at `address`; empty where none is known.
  std::string_view Find(uint64_t address) const;

 private:
  struct Code {
    uint64_t end;
    std::string name;
  };
  void Insert(uint64_t start, uint64_t end, std::string_view name);

  std::map<uint64_t, Code> codes_;  // by start; ranges never overlap
};

}  // namespace fdaudit::analyzer
