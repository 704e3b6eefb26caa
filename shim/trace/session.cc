#include "shim/trace/session.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "shim/base/options.h"
#include "shim/base/raw_io.h"
#include "shim/base/surroundings.h"
#include "shim/base/text.h"
#include "shim/trace/format.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

constexpr char kSuffix[] = ".fdaudit";
constexpr char kSharedMemory[] = "/dev/shm";
constexpr size_t kLongestPath = 768;

/// 0, or a negative errno.
long LookFor(const char* path, struct stat* status) {
  return raw::Call(SYS_newfstatat, AT_FDCWD, raw::Address(path), raw::Address(status), AT_SYMLINK_NOFOLLOW);
}

bool Look(const char* path, struct stat* status) { return LookFor(path, status) == 0; }

/// Directories are made as needed, for this user only; an existing one must be a real directory.
bool MakeDirectories(const char* directory) {
  char path[512];
  TextBuilder text(path, sizeof path);
  if (text.Add(directory).overflowed()) return false;
  for (char* slash = strchr(path + 1, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    raw::MakeDirectory(path, 0700);
    *slash = '/';
  }
  raw::MakeDirectory(path, 0700);
  struct stat status = {};
  return Look(path, &status) && S_ISDIR(status.st_mode);
}

void AddUnique(TextBuilder& name) {
  name.Add("-").Add(static_cast<uint64_t>(raw::Pid())).Add("-").Add(raw::Nanoseconds(CLOCK_REALTIME) / 1000);
}

bool CreateFirst(const char** problem) {
  char host[sizeof trace::Header::host];
  HostName(host, sizeof host);
  TextBuilder name(options.session, sizeof options.session);
  for (const char* c = host; *c != '\0'; ++c) name.Add(*c == '/' ? "_" : c, 1);
  AddUnique(name);
  name.Add(kSuffix);
  char path[kLongestPath];
  TextBuilder text(path, sizeof path);
  *problem = "the trace directory's name is too long";
  if (text.Add(options.trace).Add("/").Add(options.session).overflowed()) return false;
  *problem = "the trace directory can't be made, or is a symbolic link";
  return MakeDirectories(options.trace) && recorder.Create(path, "", problem);
}

/// "FAMILY+USER.fdaudit", for all images of one user; with `is_unique` for this one alone.
void NameSecond(char* out, size_t size, uint64_t user, bool is_unique) {
  const size_t suffix = sizeof kSuffix - 1;
  const size_t length = strlen(options.family);
  TextBuilder name(out, size);
  name.Add(options.family, length > suffix ? length - suffix : length).Add("+").Add(user);
  if (is_unique) AddUnique(name);
  name.Add(kSuffix);
}

/// Joins the one that another image of this user has made, or makes it.
bool OpenSecondIn(const char* directory, uint64_t user, const char** problem) {
  for (const bool is_unique : {false, true}) {
    char path[kLongestPath];
    TextBuilder text(path, sizeof path);
    NameSecond(options.session, sizeof options.session, user, is_unique);
    if (text.Add(directory).Add("/").Add(options.session).overflowed()) return false;
    if ((!is_unique && recorder.Join(path, options.family)) || recorder.Create(path, options.family, problem)) {
      memmove(options.trace, directory, strlen(directory) + 1);
      return true;
    }
  }
  return false;
}

bool IsPrivate(const char* directory) {
  struct stat status = {};
  return Look(directory, &status) && S_ISDIR(status.st_mode) && (status.st_mode & 077) == 0 &&
         static_cast<long>(status.st_uid) == raw::Call(SYS_geteuid);
}

/// What may be a plain directory of a chroot is left alone: no one would look for a trace there.
bool IsInMemory(const char* directory) {
  struct statfs fs = {};
  return raw::Call(SYS_statfs, raw::Address(directory), raw::Address(&fs)) == 0 &&
         static_cast<uint64_t>(fs.f_type) == TMPFS_MAGIC;
}

bool OpenSecond(const char* first_path, const char** problem) {
  memcpy(origin.file, options.session, sizeof origin.file);
  origin.image = options.image;
  options.image = 0;
  if (options.family[0] == '\0') TextBuilder(options.family, sizeof options.family).Add(options.session);
  const uint64_t user = OuterUser();
  struct stat status = {};
  const long seen = LookFor(first_path, &status);
  if (seen == 0 && OpenSecondIn(options.trace, user, problem)) return true;
  // It was there when this program was started: its report is made, or somebody has cleared up, which no one would do
  // with another one.
  if (seen == -ENOENT && !options.apart) return false;
  char directory[64];
  TextBuilder(directory, sizeof directory).Add(kSharedMemory).Add("/fdaudit-").Add(user);
  if (!IsInMemory(kSharedMemory)) return false;
  // `fdaudit run` removes the directory once it seems empty: perhaps just now.
  for (int attempts = 0; attempts < 2; ++attempts) {
    raw::MakeDirectory(directory, 0700);
    if (IsPrivate(directory) && OpenSecondIn(directory, user, problem)) return true;
  }
  return false;
}

}  // namespace

bool OpenSession(const char** problem) {
  if (options.session[0] == '\0') return CreateFirst(problem);
  char path[kLongestPath];
  TextBuilder text(path, sizeof path);
  text.Add(options.trace).Add("/").Add(options.session);
  return (!text.overflowed() && recorder.Join(path)) || OpenSecond(path, problem);
}

}  // namespace fdaudit::shim
