#include "shim/trace/session.h"

#include <linux/magic.h>
#include <sys/resource.h>
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
#include "shim/trace/pointer.h"
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

/// What may be a plain directory of a chroot is left alone: no one would look for a trace there.
bool IsInMemory(const char* directory) {
  struct statfs fs = {};
  return raw::Call(SYS_statfs, raw::Address(directory), raw::Address(&fs)) == 0 &&
         static_cast<uint64_t>(fs.f_type) == TMPFS_MAGIC;
}

/// Of a container's 64 MB for everyone the trace could take 8. Then a disk is the better place, if a page of a file
/// stays there once the file system has given it.
bool IsBetterOnDisk(const Folder& folder) {
  constexpr uint64_t kEnough = uint64_t{256} << 20;
  struct statfs fs = {};
  if (raw::Call(SYS_statfs, raw::Address(kSharedMemory), raw::Address(&fs)) != 0 ||
      static_cast<uint64_t>(fs.f_blocks) * static_cast<uint64_t>(fs.f_bsize) >= kEnough) {
    return false;
  }
  if (raw::Call(SYS_fstatfs, folder.fd(), raw::Address(&fs)) != 0) return false;
  const auto type = static_cast<uint64_t>(fs.f_type);
  return type == EXT4_SUPER_MAGIC || type == XFS_SUPER_MAGIC || type == OVERLAYFS_SUPER_MAGIC;
}

/// As small as it is, it is written whole or not at all.
bool WritePointer(const Folder& folder, const char* path) {
  char content[kLongestPath];
  TextBuilder text(content, sizeof content);
  if (text.Add(trace::kPointerMagic).Add(path).overflowed()) return false;
  if (SoftLimit(RLIMIT_FSIZE) < text.size()) return false;  // the write would raise SIGXFSZ in the program
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  const int fd = raw::OpenAt(folder.fd(), options.session, flags, 0600);
  if (fd < 0) return false;
  const bool written = raw::Write(fd, content, text.size()) == static_cast<long>(text.size());
  raw::Close(fd);
  return written;
}

void RemovePointer(const Folder& folder) { raw::Call(SYS_unlinkat, folder.fd(), raw::Address(options.session), 0); }

void NameMemoryFolder(uint64_t user, char* out, size_t size) {
  TextBuilder(out, size).Add(kSharedMemory).Add("/fdaudit-").Add(user);
}

// `fdaudit run` removes a folder in memory once it seems empty: perhaps just now.
constexpr int kAttempts = 2;

/// A page of a mapped file on a disk is not the program's alone: its store may fail (a full disk that copies on write,
/// a truncated file), or wait (a frozen file system, a server that is away). So the trace is written in memory, and a
/// pointer in its folder leads there. The pointer comes first: a trace that can't be found is worth nothing.
bool CreateInMemory(const Folder& folder) {
  if (IsInMemory(options.trace) || !IsInMemory(kSharedMemory) || IsBetterOnDisk(folder)) return false;
  NameMemoryFolder(OuterUser(), options.place, sizeof options.place);
  char path[kLongestPath];
  TextBuilder text(path, sizeof path);
  const bool fits = !text.Add(options.place).Add("/").Add(options.session).overflowed();
  for (int attempts = 0; attempts < kAttempts && fits; ++attempts) {
    const Folder memory(options.place, true);
    if (memory.problem() != nullptr || !memory.is_private()) break;
    const char* problem = "";
    if (WritePointer(folder, path) && recorder.Create(memory.fd(), options.session, "", &problem)) return true;
    RemovePointer(folder);
  }
  options.place[0] = '\0';
  return false;
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
  if (*problem == nullptr && (CreateInMemory(folder) || recorder.Create(folder.fd(), options.session, "", problem))) {
    return true;
  }
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
      if (directory != SessionPlace()) TextBuilder(options.place, sizeof options.place).Add(directory);
      return true;
    }
  }
  return false;
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
    const Folder folder(SessionPlace(), false);
    *problem = folder.problem();
    if (*problem == nullptr && OpenSecondIn(SessionPlace(), folder, user, problem)) return true;
  }
  // It was there when this program was started: its report is made, or somebody has cleared up, which no one would do
  // with another one.
  if (seen == -ENOENT && !options.apart) return false;
  if (!IsInMemory(kSharedMemory)) return false;
  char directory[sizeof options.place];
  NameMemoryFolder(user, directory, sizeof directory);
  for (int attempts = 0; attempts < kAttempts; ++attempts) {
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
  text.Add(SessionPlace()).Add("/").Add(options.session);
  return (!text.overflowed() && recorder.Join(AT_FDCWD, path)) || OpenSecond(path, problem);
}

}  // namespace fdaudit::shim
