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

constexpr char kNoFolder[] = "the trace directory can't be made, or is a symbolic link";

/// A folder for trace files, held open while one in it is made or joined: names may mean another one meanwhile.
class Folder {
 public:
  /// Missing parts of the path are made, for this user only, if `make`.
  Folder(const char* path, bool make) {
    if (make) Make(path);
    fd_ = raw::Open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd_ < 0) return;
    problem_ = kForeignFolder;
    struct stat status = {};
    if (raw::Fstat(fd_, &status) != 0) return;
    const bool is_own = static_cast<long>(status.st_uid) == raw::Call(SYS_geteuid);
    is_private_ = is_own && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (is_own || status.st_uid == 0) problem_ = nullptr;
  }
  ~Folder() {
    if (fd_ >= 0) raw::Close(fd_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  int fd() const { return fd_; }
  /// Why it must not be used; nullptr = it may.
  const char* problem() const { return problem_; }
  /// This user's own, and nobody else may write to it.
  bool is_private() const { return is_private_; }

 private:
  static void Make(const char* directory) {
    char path[512];
    TextBuilder text(path, sizeof path);
    if (text.Add(directory).overflowed()) return;
    for (char* slash = strchr(path + 1, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
      *slash = '\0';
      raw::MakeDirectory(path, 0700);
      *slash = '/';
    }
    raw::MakeDirectory(path, 0700);
  }

  int fd_ = -1;
  const char* problem_ = kNoFolder;
  bool is_private_ = false;
};

void AddUnique(TextBuilder& name) {
  name.Add("-").Add(static_cast<uint64_t>(raw::Pid())).Add("-").Add(raw::Nanoseconds(CLOCK_REALTIME) / 1000);
}

bool CreateFirst(bool is_named, const char** problem) {
  char host[sizeof trace::Header::host];
  HostName(host, sizeof host);
  TextBuilder name(options.session, sizeof options.session);
  for (const char* c = host; *c != '\0'; ++c) name.Add(*c == '/' ? "_" : c, 1);
  AddUnique(name);
  name.Add(kSuffix);
  *problem = "the trace directory's name is too long";
  if (strlen(options.trace) + name.size() + 2 > kLongestPath) {
    options.session[0] = '\0';
    return false;
  }
  const Folder folder(options.trace, true);
  *problem = folder.problem();
  // To one that the user has named others may be let in: they could remove the file, and no more.
  if (*problem == nullptr && !is_named && !folder.is_private()) *problem = kForeignFolder;
  if (*problem == nullptr && recorder.Create(folder.fd(), options.session, "", problem)) return true;
  options.session[0] = '\0';
  return false;
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
bool OpenSecondIn(const char* directory, const Folder& folder, uint64_t user, const char** problem) {
  for (const bool is_unique : {false, true}) {
    NameSecond(options.session, sizeof options.session, user, is_unique);
    if (strlen(directory) + strlen(options.session) + 2 > kLongestPath) return false;
    if ((!is_unique && recorder.Join(folder.fd(), options.session, options.family)) ||
        recorder.Create(folder.fd(), options.session, options.family, problem)) {
      memmove(options.trace, directory, strlen(directory) + 1);
      return true;
    }
  }
  return false;
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
  if (seen == 0) {
    const Folder folder(options.trace, false);
    *problem = folder.problem();
    if (*problem == nullptr && OpenSecondIn(options.trace, folder, user, problem)) return true;
  }
  // It was there when this program was started: its report is made, or somebody has cleared up, which no one would do
  // with another one.
  if (seen == -ENOENT && !options.apart) return false;
  char directory[64];
  TextBuilder(directory, sizeof directory).Add(kSharedMemory).Add("/fdaudit-").Add(user);
  if (!IsInMemory(kSharedMemory)) return false;
  // `fdaudit run` removes the directory once it seems empty: perhaps just now.
  for (int attempts = 0; attempts < 2; ++attempts) {
    const Folder folder(directory, true);
    if (folder.problem() == nullptr && folder.is_private() && OpenSecondIn(directory, folder, user, problem))
      return true;
  }
  return false;
}

}  // namespace

bool OpenSession(bool is_named, const char** problem) {
  if (options.session[0] == '\0') return CreateFirst(is_named, problem);
  char path[kLongestPath];
  TextBuilder text(path, sizeof path);
  text.Add(options.trace).Add("/").Add(options.session);
  return (!text.overflowed() && recorder.Join(AT_FDCWD, path)) || OpenSecond(path, problem);
}

}  // namespace fdaudit::shim
