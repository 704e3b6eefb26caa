#pragma once

// Why a trace can't be read: thrown by the reader, caught by the commands, exit status 3.

#include <cstdint>
#include <stdexcept>
#include <string>

namespace fdaudit::analyzer {

class TraceError : public std::runtime_error {
 public:
  /// `why` is a phrase without a full stop.
  TraceError(const std::string& file, uint64_t offset, const std::string& why)
      : std::runtime_error(file + ": at offset " + std::to_string(offset) + ": " + why) {}
  TraceError(const std::string& file, const std::string& why) : std::runtime_error(file + ": " + why) {}

  /// True for a file that its writer is still making, or was stopped while making: in a directory of traces, no reason
  /// to refuse the others.
  bool is_unfinished() const { return is_unfinished_; }
  TraceError& MarkUnfinished() {
    is_unfinished_ = true;
    return *this;
  }

 private:
  bool is_unfinished_ = false;
};

}  // namespace fdaudit::analyzer
