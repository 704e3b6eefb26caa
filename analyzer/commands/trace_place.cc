#include "analyzer/commands/trace_place.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "analyzer/trace/memory_place.h"
#include "analyzer/trace/trace_error.h"
#include "analyzer/trace/trace_file.h"
#include "shim/trace/format.h"

namespace fdaudit::analyzer {
namespace {

std::vector<std::string> FilesIn(const std::string& directory) {
  try {
    return FindTraceFiles(directory);
  } catch (const TraceError&) {
    return {};
  }
}

trace::ClockPair Now(const trace::Header& header) {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const uint64_t ns = static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
#if defined(__x86_64__)
  if ((header.features & trace::kStampsAreTsc) != 0) return {__rdtsc(), ns};
#endif
  static_cast<void>(header);
  return {ns, ns};
}

bool WriteField(int fd, size_t offset, const void* field, size_t size) {
  return pwrite(fd, field, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

/// Tells programs that run on.
void NoteRemoved(const std::string& file) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return;
  const uint32_t removed = 1;
  WriteField(fd, offsetof(trace::Header, removed), &removed, sizeof removed);
  close(fd);
}

/// Where a trace's bytes are; empty where that is unknown.
std::string PlaceOf(const std::string& file) {
  try {
    return ResolvePointer(file);
  } catch (const TraceError&) {
    return "";
  }
}

/// Of a trace file that is finished; its `magic` is empty where there is none.
trace::Header ReadHeader(int fd) {
  trace::Header header = {};
  const bool is_whole = pread(fd, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header) &&
                        memcmp(header.magic, trace::kMagic, sizeof header.magic) == 0 &&
                        header.major_version == trace::kMajorVersion;
  return is_whole ? header : trace::Header{};
}

uint64_t TokenOf(const std::string& file) {
  const int fd = open(PlaceOf(file).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return 0;
  const uint64_t token = ReadHeader(fd).run_token;
  close(fd);
  return token;
}

/// Never 0, and short enough for a decimal number among the shim's options.
uint64_t MakeToken() {
  uint64_t token = 0;
  if (getrandom(&token, sizeof token, 0) != static_cast<ssize_t>(sizeof token)) {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    token = static_cast<uint64_t>(getpid()) << 32 ^ static_cast<uint64_t>(now.tv_nsec);
  }
  return token >> 16 | 1;
}

/// Visible with run_ended, which is written last.
void WriteRunEnd(int fd, const trace::Header& header, int child_pid, int wait_status) {
  const trace::ClockPair end = Now(header);
  const uint32_t ended = 1;
  const bool written = WriteField(fd, offsetof(trace::Header, run_wait_status), &wait_status, sizeof wait_status) &&
                       WriteField(fd, offsetof(trace::Header, run_pid), &child_pid, sizeof child_pid) &&
                       WriteField(fd, offsetof(trace::Header, run_end), &end, sizeof end);
  if (written) WriteField(fd, offsetof(trace::Header, run_ended), &ended, sizeof ended);
}

}  // namespace

bool TracePlace::Prepare(const std::string& wanted, std::string* problem) {
  if (!(wanted.empty() ? MakePrivate(problem) : UseGiven(wanted, problem))) return false;
  // The options variable is split there, and nothing quotes it.
  if (path_.find(':') != std::string::npos) {
    *problem = path_ + ": a trace directory's name must not have a colon";
    return false;
  }
  token_ = MakeToken();
  return true;
}

bool TracePlace::UseGiven(const std::string& wanted, std::string* problem) {
  std::error_code error;
  // Made one by one, so that parents too are private.
  std::filesystem::path so_far;
  for (const std::filesystem::path& part : std::filesystem::path(wanted)) {
    so_far /= part;
    if (mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST && !std::filesystem::is_directory(so_far, error)) {
      *problem = "the trace directory " + wanted + " cannot be made: " + strerror(errno);
      return false;
    }
  }
  char resolved[PATH_MAX];
  if (realpath(wanted.c_str(), resolved) == nullptr || access(resolved, W_OK | X_OK) != 0) {
    *problem = "the trace directory " + wanted + " cannot be used: " + strerror(errno);
    return false;
  }
  path_ = resolved;
  if (std::filesystem::is_directory(path_, error)) return true;
  *problem = "the trace directory " + wanted + " cannot be used: it is no directory";
  return false;
}

bool TracePlace::MakePrivate(std::string* problem) {
  const char* temporary = std::getenv("TMPDIR");
  for (const std::string& parent :
       {std::string("/dev/shm"), std::string(temporary == nullptr ? "" : temporary), std::string("/tmp")}) {
    std::string name = parent + "/fdaudit-XXXXXX";
    if (parent.empty() || parent.front() != '/' || mkdtemp(name.data()) == nullptr) continue;
    path_ = name;
    is_private_ = true;
    return true;
  }
  *problem = std::string("no place for the trace: neither /dev/shm nor /tmp can be written to (") + strerror(errno) +
             "); --trace DIR says where it may go";
  return false;
}

std::vector<std::string> TracePlace::Files() const {
  std::vector<std::string> files = FilesIn(path_);
  std::erase_if(files, [this](const std::string& file) { return TokenOf(file) != token_; });
  return files;
}

void TracePlace::Remove() {
  if (!is_private_ || path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  path_.clear();
}

void TracePlace::RemoveWith(const std::vector<std::string>& files) {
  if (is_private_ && !path_.empty()) {
    for (const std::string& file : files) {
      NoteRemoved(file);
      unlink(file.c_str());
      const std::string directory = file.substr(0, file.rfind('/'));
      if (directory != path_) rmdir(directory.c_str());  // the user's, which may hold others' files
    }
  }
  Remove();
}

void NoteRunEnd(const std::vector<std::string>& files, int child_pid, int wait_status) {
  for (const std::string& file : files) {
    const int fd = open(PlaceOf(file).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    const trace::Header header = ReadHeader(fd);
    if (header.creator_pid == child_pid) WriteRunEnd(fd, header, child_pid, wait_status);
    close(fd);
  }
}

}  // namespace fdaudit::analyzer
