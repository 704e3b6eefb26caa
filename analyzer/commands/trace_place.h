#pragma once

// The directory that an audited program's trace goes to, and what appears in it.

#include <cstdint>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

class TracePlace {
 public:
  TracePlace() = default;
  TracePlace(const TracePlace&) = delete;
  TracePlace& operator=(const TracePlace&) = delete;
  ~TracePlace() { Remove(); }

  /// The given directory, made if missing, or (empty) a private one in memory-backed storage. False: `problem` says why
  /// it can't be used.
  bool Prepare(const std::string& wanted, std::string* problem);
  const std::string& path() const { return path_; }
  /// The shim's option `token`: other sessions may record to the same directory at the same time.
  uint64_t token() const { return token_; }

  /// Trace files there that the programs have made which got the token.
  std::vector<std::string> Files() const;

  /// Removes a private directory with all that is in it; a directory that was asked for stays.
  void Remove();
  /// The same, and with a private directory the session's `files` elsewhere.
  void RemoveWith(const std::vector<std::string>& files);

 private:
  bool UseGiven(const std::string& wanted, std::string* problem);
  bool MakePrivate(std::string* problem);

  std::string path_;
  bool is_private_ = false;
  uint64_t token_ = 0;
};

/// Writes how the child ended into the trace file that it began, if that is among `files`, which are its session's.
void NoteRunEnd(const std::vector<std::string>& files, int child_pid, int wait_status);

}  // namespace fdaudit::analyzer
