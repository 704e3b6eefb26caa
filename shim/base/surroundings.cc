#include "shim/base/surroundings.h"

#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cstring>

#include "shim/base/raw_io.h"
#include "shim/base/text.h"

namespace fdaudit::shim {
namespace {

/// UINT64_MAX where the file does not start with a number ("max").
uint64_t ReadNumber(const char* path) {
  char text[32];
  if (ReadSmallFile(path, text, sizeof text) <= 0 || text[0] < '0' || text[0] > '9') return UINT64_MAX;
  uint64_t number = 0;
  for (const char* c = text; *c >= '0' && *c <= '9'; ++c) number = number * 10 + static_cast<uint64_t>(*c - '0');
  return number;
}

uint64_t Room(const char* directory, const char* group, const char* limit_name, const char* used_name) {
  char path[512];
  const auto number = [&](const char* name) {
    TextBuilder text(path, sizeof path);
    text.Add(directory).Add(group).Add("/").Add(name);
    return text.overflowed() ? UINT64_MAX : ReadNumber(path);
  };
  const uint64_t limit = number(limit_name);
  if (limit == UINT64_MAX) return UINT64_MAX;
  const uint64_t used = number(used_name);
  return used >= limit ? 0 : limit - used;
}

/// Calls `visit` with the path of each of the process's control groups and whether it is the v1 memory controller's.
template <typename Visitor>
void ForEachCgroup(char* groups, Visitor visit) {
  for (char* line = groups; line != nullptr && *line != '\0';) {
    char* end = strchr(line, '\n');
    if (end != nullptr) *end = '\0';
    char* controllers = strchr(line, ':');
    char* path = controllers == nullptr ? nullptr : strchr(controllers + 1, ':');
    if (path != nullptr) visit(path + 1, strstr(controllers, "memory") != nullptr, path == controllers + 1);
    line = end == nullptr ? nullptr : end + 1;
  }
}

}  // namespace

long ReadSmallFile(const char* path, char* buffer, size_t size) {
  const int fd = raw::Open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  long length = raw::Read(fd, buffer, size - 1);
  raw::Close(fd);
  if (length < 0) return -1;
  if (length > 0 && buffer[length - 1] == '\n') --length;
  buffer[length] = '\0';
  return length;
}

namespace {

constinit long seccomp_mode_at_start = SECCOMP_MODE_DISABLED;

/// The line "Seccomp_filters:" of a proc_pid_status(5) file.
uint64_t FiltersIn(const char* path) {
  constexpr char kName[] = "\nSeccomp_filters:\t";
  char status[4096];
  if (ReadSmallFile(path, status, sizeof status) <= 0) return UINT64_MAX;
  const char* line = FindText(status, kName);
  if (line == nullptr) return UINT64_MAX;
  uint64_t number = 0;
  for (const char* c = line + sizeof kName - 1; *c >= '0' && *c <= '9'; ++c) {
    number = number * 10 + static_cast<uint64_t>(*c - '0');
  }
  return number;
}

}  // namespace

uint64_t SeccompFilters() {
  seccomp_mode_at_start = raw::Call(SYS_prctl, PR_GET_SECCOMP);
  if (seccomp_mode_at_start != SECCOMP_MODE_FILTER) return 0;
  return FiltersIn("/proc/self/status");
}

bool FindsHiddenSeccomp() {
  if (!SystemCallsAllowed() || raw::Call(SYS_prctl, PR_GET_SECCOMP) == seccomp_mode_at_start) return false;
  system_calls_forbidden = true;
  return true;
}

bool FiltersMayKill(uint64_t filters, uint64_t known) {
  if (filters == 0 || (known != UINT64_MAX && (filters == known || filters == UINT64_MAX))) return false;
  return filters == UINT64_MAX || FiltersIn("/proc/1/status") != filters;
}

uint64_t NrOpen() {
  const uint64_t number = ReadNumber("/proc/sys/fs/nr_open");
  return number == UINT64_MAX ? 1048576 : number;
}

uint64_t SoftLimit(int resource) {
  struct rlimit limit = {};
  if (raw::Call(SYS_prlimit64, 0, resource, 0, raw::Address(&limit)) != 0) return UINT64_MAX;
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

uint64_t CgroupRoom() {
  char groups[2048];
  if (ReadSmallFile("/proc/self/cgroup", groups, sizeof groups) <= 0) return UINT64_MAX;
  uint64_t room = UINT64_MAX;
  ForEachCgroup(groups, [&room](const char* group, bool memory_v1, bool v2) {
    uint64_t here = UINT64_MAX;
    if (v2) here = Room("/sys/fs/cgroup", group, "memory.max", "memory.current");
    if (memory_v1) here = Room("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", "memory.usage_in_bytes");
    if (here < room) room = here;
  });
  return room;
}

bool FileSystemRoom(int fd, uint64_t* bytes, bool* memory_backed) {
  struct statfs fs = {};
  if (raw::Call(SYS_fstatfs, fd, raw::Address(&fs)) != 0) return false;
  *memory_backed = static_cast<uint64_t>(fs.f_type) == TMPFS_MAGIC;
  // A tmpfs without a size limit counts no blocks at all.
  *bytes = fs.f_blocks == 0 ? UINT64_MAX : static_cast<uint64_t>(fs.f_bavail) * static_cast<uint64_t>(fs.f_bsize);
  return true;
}

void HostName(char* out, size_t size) {
  struct utsname host = {};
  raw::Call(SYS_uname, raw::Address(&host));
  TextBuilder(out, size).Add(host.nodename);
}

uint64_t OuterUser() {
  const auto user = static_cast<uint64_t>(raw::Call(SYS_geteuid));
  char map[1024];
  if (ReadSmallFile("/proc/self/uid_map", map, sizeof map) <= 0) return user;
  // Lines of three numbers: first user here, first user outside, how many.
  uint64_t numbers[3] = {};
  size_t count = 0;
  for (const char* c = map; *c != '\0';) {
    if (*c < '0' || *c > '9') {
      ++c;
      continue;
    }
    uint64_t number = 0;
    for (; *c >= '0' && *c <= '9'; ++c) number = number * 10 + static_cast<uint64_t>(*c - '0');
    numbers[count++ % 3] = number;
    if (count % 3 == 0 && user - numbers[0] < numbers[2]) return user - numbers[0] + numbers[1];
  }
  return user;
}

uint64_t ProcessStart() {
  constexpr uint64_t kTick = 10000000;  // of user space, on every machine: USER_HZ is 100
  char text[1024];
  if (ReadSmallFile("/proc/self/stat", text, sizeof text) <= 0) return 0;
  // Field 22, counted from behind the name, which may hold blanks and brackets.
  const char* c = strrchr(text, ')');
  for (int field = 2; c != nullptr && field < 22; ++field) c = strchr(c + 1, ' ');
  if (c == nullptr) return 0;
  uint64_t ticks = 0;
  for (++c; *c >= '0' && *c <= '9'; ++c) ticks = ticks * 10 + static_cast<uint64_t>(*c - '0');
  // The kernel counts suspended time in.
  const uint64_t suspended = raw::Nanoseconds(CLOCK_BOOTTIME) - raw::Nanoseconds(CLOCK_MONOTONIC);
  return ticks * kTick > suspended ? ticks * kTick - suspended : 0;
}

uint64_t PidNamespace() {
  struct stat status = {};
  const long result = raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address("/proc/self/ns/pid"), raw::Address(&status), 0);
  return result == 0 ? status.st_ino : 0;
}

}  // namespace fdaudit::shim
