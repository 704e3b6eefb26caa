#include "analyzer/trace/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "analyzer/trace/trace_error.h"

namespace fdaudit::analyzer {
namespace {

class FileSource : public ByteSource {
 public:
  explicit FileSource(int fd) : fd_(fd) {}
  ~FileSource() override { close(fd_); }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  uint64_t Size() const override {
    struct stat status = {};
    return fstat(fd_, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  }

  std::optional<uint32_t> Owner() const override {
    struct stat status = {};
    return fstat(fd_, &status) == 0 ? std::optional<uint32_t>(status.st_uid) : std::nullopt;
  }

  size_t Read(uint64_t offset, void* to, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      if (offset + done > INT64_MAX) break;
      const ssize_t n = pread(fd_, static_cast<char*>(to) + done, size - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  uint64_t NextData(uint64_t offset) const override {
    if (offset > INT64_MAX) return Size();
    const off_t found = lseek(fd_, static_cast<off_t>(offset), SEEK_DATA);
    if (found >= 0) return static_cast<uint64_t>(found);
    return errno == ENXIO ? Size() : offset;  // others: a file system that doesn't know
  }

 private:
  int fd_;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}

  uint64_t Size() const override { return bytes_.size(); }

  size_t Read(uint64_t offset, void* to, size_t size) const override {
    if (offset >= bytes_.size()) return 0;
    const size_t n = std::min(size, bytes_.size() - static_cast<size_t>(offset));
    memcpy(to, bytes_.data() + offset, n);
    return n;
  }

 private:
  std::string bytes_;
};

}  // namespace

std::unique_ptr<ByteSource> OpenFile(const std::string& path, int flags) {
  // O_NONBLOCK: a FIFO must not make us wait.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
  if (fd < 0) throw TraceError(path, std::string("cannot be opened: ") + strerror(errno));
  auto source = std::make_unique<FileSource>(fd);
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw TraceError(path, "not a fdaudit trace: it is no regular file");
  }
  return source;
}

std::unique_ptr<ByteSource> FromMemory(std::string bytes) { return std::make_unique<MemorySource>(std::move(bytes)); }

}  // namespace fdaudit::analyzer
