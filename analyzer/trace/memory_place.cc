#include "analyzer/trace/memory_place.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "analyzer/trace/trace_error.h"
#include "shim/trace/pointer.h"

namespace fdaudit::analyzer {
namespace {

constexpr std::string_view kUsersFolders = "/dev/shm/fdaudit-";
constexpr size_t kLongestPointer = 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// What the file says where it is a pointer. Its text is input: only a user's folder in memory is a place for a trace.
std::optional<std::string> ReadPointer(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  std::array<char, kLongestPointer> content;
  const ssize_t size = file.get() < 0 ? -1 : read(file.get(), content.data(), content.size());
  constexpr std::string_view kMagic = trace::kPointerMagic;
  if (size < static_cast<ssize_t>(kMagic.size()) || memcmp(content.data(), kMagic.data(), kMagic.size()) != 0) {
    return std::nullopt;
  }
  std::string target(content.data() + kMagic.size(), static_cast<size_t>(size) - kMagic.size());
  const std::string folder = FolderOf(target);
  const bool fits = folder.starts_with(kUsersFolders) && folder.size() > kUsersFolders.size() &&
                    folder.find_first_not_of("0123456789", kUsersFolders.size()) == std::string::npos &&
                    NameOf(target).ends_with(".fdaudit") && target.find('\0') == std::string::npos;
  if (!fits) throw TraceError(path, "damaged: it is a pointer to a trace in memory, and names no place for one");
  return target;
}

bool CopyRange(int from, int to, off_t begin, off_t end) {
  std::array<char, 65536> buffer;
  while (begin < end) {
    const ssize_t got =
        pread(from, buffer.data(), std::min<size_t>(buffer.size(), static_cast<size_t>(end - begin)), begin);
    if (got <= 0 || pwrite(to, buffer.data(), static_cast<size_t>(got), begin) != got) return false;
    begin += got;
  }
  return true;
}

/// Holes stay holes.
bool CopySparsely(int from, int to) {
  struct stat status = {};
  if (fstat(from, &status) != 0 || ftruncate(to, status.st_size) != 0) return false;
  for (off_t at = 0; at < status.st_size;) {
    const off_t begin = lseek(from, at, SEEK_DATA);
    if (begin < 0) return errno == ENXIO;
    at = lseek(from, begin, SEEK_HOLE);
    if (at < 0 || !CopyRange(from, to, begin, at)) return false;
  }
  return true;
}

}  // namespace

std::string ResolvePointer(const std::string& path) {
  const std::optional<std::string> target = ReadPointer(path);
  if (!target) return path;
  struct stat pointer = {};
  struct stat found = {};
  if (lstat(target->c_str(), &found) != 0) {
    throw TraceError(path,
                     "the trace was recorded in memory, as " + *target +
                         ", and is not there: the machine was restarted, the container has ended, or it was removed")
        .MarkUnfinished();
  }
  if (stat(path.c_str(), &pointer) != 0 || !S_ISREG(found.st_mode) || found.st_uid != pointer.st_uid) {
    throw TraceError(path, "it leads to " + *target + ", which does not belong to the same user");
  }
  return *target;
}

void MoveFromMemory(const std::string& path, int64_t started_ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  const std::optional<std::string> target = ReadPointer(path);
  if (!target || ResolvePointer(path) != *target) return;
  struct stat pointer = {};
  if (stat(path.c_str(), &pointer) != 0 || pointer.st_mtim.tv_sec * kSecond > started_ns + kSecond) return;
  const Descriptor from(open(target->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status = {};
  if (from.get() < 0 || fstat(from.get(), &status) != 0) return;
  std::string temporary = FolderOf(path) + "/.fdaudit-XXXXXX";
  const Descriptor to(mkostemp(temporary.data(), O_CLOEXEC));
  if (to.get() < 0) return;
  const bool moved = (geteuid() == status.st_uid || fchown(to.get(), status.st_uid, status.st_gid) == 0) &&
                     CopySparsely(from.get(), to.get()) && rename(temporary.c_str(), path.c_str()) == 0;
  if (!moved) {
    unlink(temporary.c_str());
    return;
  }
  unlink(target->c_str());
  rmdir(FolderOf(*target).c_str());  // where it was the last
}

}  // namespace fdaudit::analyzer
