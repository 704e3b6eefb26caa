#pragma once

// Where a trace's bytes come from. Never mapped: a file that someone truncates while it is read would be SIGBUS, where
// a short read is merely the end.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace fdaudit::analyzer {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Bytes in the source, as of now.
  virtual uint64_t Size() const = 0;
  /// Copies up to `size` bytes; returns how many there were.
  virtual size_t Read(uint64_t offset, void* to, size_t size) const = 0;
  /// Whose file it is; nothing where it is none.
  virtual std::optional<uint32_t> Owner() const { return std::nullopt; }
  /// First offset at or after `offset` that may hold anything but zeros (a sparse file's next data); Size() = none.
  virtual uint64_t NextData(uint64_t offset) const { return offset; }
};

/// A file, kept open: it may be unlinked meanwhile. `flags` are added (open(2)). Throws TraceError where it can't be
/// opened, or is no regular file.
std::unique_ptr<ByteSource> OpenFile(const std::string& path, int flags = 0);

/// Bytes in memory.
std::unique_ptr<ByteSource> FromMemory(std::string bytes);

}  // namespace fdaudit::analyzer
