/* Annotations: what a program can say to fdaudit about its descriptors. Optional, for C (C99) and C++ (C++11), a header
 * and nothing else: nothing is linked. Without the shim all of it does nothing, and the close functions close.
 *
 *   owners       fdaudit_exchange_owner(fd, 0, me); … fdaudit_close_with_owner(fd, me);  other closes are reported
 *   checkpoints  fdaudit_checkpoint("reload");  findings carry its name; what it left open is reported
 *   on purpose   fdaudit_leave_open(fd);  no leak
 *   a report     fdaudit_report_now("now.txt");  of what is known at this moment
 *
 * Every function keeps errno, but for the close functions, which set it as close(2) does. All are thread-safe; all but
 * fdaudit_report_now() are async-signal-safe. Android's names for owners (fdsan) stand below.
 *
 * The shim's functions are reached by weak references. clang does not make them in programs built with
 * -fno-pic: these behave as without the shim. */

#pragma once

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#if defined(__clang__)
#define FDAUDIT_WEAK __attribute__((weak))
#else
#define FDAUDIT_WEAK __attribute__((weak, noplt))
#endif
#define FDAUDIT_INLINE static inline __attribute__((always_inline, unused))

#ifdef __cplusplus
extern "C" {
#endif

int __fdaudit_close_with_owner(int fd, uint64_t owner) FDAUDIT_WEAK;
void __fdaudit_exchange_owner(int fd, uint64_t expected, uint64_t owner) FDAUDIT_WEAK;
uint64_t __fdaudit_get_owner(int fd) FDAUDIT_WEAK;
void __fdaudit_leave_open(int fd) FDAUDIT_WEAK;
void __fdaudit_checkpoint(const char* name) FDAUDIT_WEAK;
int __fdaudit_report_now(const char* path) FDAUDIT_WEAK;
int __fdaudit_error_level(int level) FDAUDIT_WEAK;

/* --- owners ------------------------------------------------------------------------------------------------------- */

/* An owner is any number but 0, best the address of what holds the descriptor. Streams (FILE*, DIR*) own theirs
 * without a declaration. */

/* `owner` holds the descriptor from now on; 0 = no owner. Nothing changes if another owner than `expected` (0 = no
 * owner) holds it. If `expected` held it and it was closed since, this is reported as a use after close. */
FDAUDIT_INLINE void fdaudit_exchange_owner(int fd, uint64_t expected, uint64_t owner) {
  if (__fdaudit_exchange_owner) __fdaudit_exchange_owner(fd, expected, owner);
}
/* Reports a use after close if `owner`'s descriptor has been closed. */
FDAUDIT_INLINE void fdaudit_check_owner(int fd, uint64_t owner) { fdaudit_exchange_owner(fd, owner, owner); }
/* close(2) by the owner. Closing what another owner holds is a wrong close; so is close(2) of what any owner holds. */
FDAUDIT_INLINE int fdaudit_close_with_owner(int fd, uint64_t owner) {
  return __fdaudit_close_with_owner ? __fdaudit_close_with_owner(fd, owner) : close(fd);
}
/* 0 = no owner, or unknown. */
FDAUDIT_INLINE uint64_t fdaudit_get_owner(int fd) { return __fdaudit_get_owner ? __fdaudit_get_owner(fd) : 0; }

/* --- other annotations -------------------------------------------------------------------------------------------- */

/* The descriptor stays open until the process ends, on purpose. */
FDAUDIT_INLINE void fdaudit_leave_open(int fd) {
  if (__fdaudit_leave_open) __fdaudit_leave_open(fd);
}
/* What the process does from now on belongs to `name`, a test's for example; NULL or "" = to nothing. */
FDAUDIT_INLINE void fdaudit_checkpoint(const char* name) {
  if (__fdaudit_checkpoint) __fdaudit_checkpoint(name);
}
/* Writes the report of the process tree as it is now: `path` ends in .json, .sarif, .xml (JUnit), .md or anything else
 * (text). 0, or -1 where there is no shim, or no `fdaudit` beside it (or where the environment's FDAUDIT says). */
FDAUDIT_INLINE int fdaudit_report_now(const char* path) {
  return __fdaudit_report_now ? __fdaudit_report_now(path) : -1;
}

/* --- Android's names ---------------------------------------------------------------------------------------------- */

/* As <android/fdsan.h> has them. The shim exports these too, for programs that bring declarations of their own. It
 * never ends the program, whatever the error level; on ANDROID_FDSAN_ERROR_LEVEL_DISABLED it reports nothing of owners.
 */
#if !defined(__ANDROID__) && !defined(FDAUDIT_NO_FDSAN)

enum android_fdsan_owner_type {
  ANDROID_FDSAN_OWNER_TYPE_GENERIC_00 = 0,
  ANDROID_FDSAN_OWNER_TYPE_GENERIC_FF = 255,
  ANDROID_FDSAN_OWNER_TYPE_FILE = 1,
  ANDROID_FDSAN_OWNER_TYPE_DIR = 2,
  ANDROID_FDSAN_OWNER_TYPE_UNIQUE_FD = 3,
  ANDROID_FDSAN_OWNER_TYPE_SQLITE = 4,
  ANDROID_FDSAN_OWNER_TYPE_FILEINPUTSTREAM = 5,
  ANDROID_FDSAN_OWNER_TYPE_FILEOUTPUTSTREAM = 6,
  ANDROID_FDSAN_OWNER_TYPE_RANDOMACCESSFILE = 7,
  ANDROID_FDSAN_OWNER_TYPE_PARCELFILEDESCRIPTOR = 8,
  ANDROID_FDSAN_OWNER_TYPE_ART_FDFILE = 9,
  ANDROID_FDSAN_OWNER_TYPE_DATAGRAMSOCKETIMPL = 10,
  ANDROID_FDSAN_OWNER_TYPE_SOCKETIMPL = 11,
  ANDROID_FDSAN_OWNER_TYPE_ZIPARCHIVE = 12,
  ANDROID_FDSAN_OWNER_TYPE_NATIVE_HANDLE = 13,
  ANDROID_FDSAN_OWNER_TYPE_PARCEL = 14
};

enum android_fdsan_error_level {
  ANDROID_FDSAN_ERROR_LEVEL_DISABLED,
  ANDROID_FDSAN_ERROR_LEVEL_WARN_ONCE,
  ANDROID_FDSAN_ERROR_LEVEL_WARN_ALWAYS,
  ANDROID_FDSAN_ERROR_LEVEL_FATAL
};

/* The type in the highest eight bits, the rest of `tag` below; 0 stays 0. */
FDAUDIT_INLINE uint64_t android_fdsan_create_owner_tag(enum android_fdsan_owner_type type, uint64_t tag) {
  const uint64_t value = (UINT64_C(1) << 56) - 1;
  return tag == 0 ? 0 : (uint64_t)type << 56 | (tag & value);
}
FDAUDIT_INLINE uint64_t android_fdsan_get_tag_value(uint64_t tag) {
  const uint64_t sign = UINT64_C(1) << 55;
  const uint64_t value = tag & ((sign << 1) - 1);
  return (value ^ sign) - sign;
}
FDAUDIT_INLINE const char* android_fdsan_get_tag_type(uint64_t tag) {
  static const char* const kNames[] = {"native object of unknown type",
                                       "FILE*",
                                       "DIR*",
                                       "unique_fd",
                                       "sqlite",
                                       "FileInputStream",
                                       "FileOutputStream",
                                       "RandomAccessFile",
                                       "ParcelFileDescriptor",
                                       "ART FdFile",
                                       "DatagramSocketImpl",
                                       "SocketImpl",
                                       "ZipArchive",
                                       "native_handle_t",
                                       "Parcel"};
  const uint64_t type = tag >> 56;
  if (type == ANDROID_FDSAN_OWNER_TYPE_GENERIC_FF && tag >> 48 != 0xffff) return "Java object of unknown type";
  return kNames[type < sizeof kNames / sizeof *kNames ? type : 0];
}
FDAUDIT_INLINE void android_fdsan_exchange_owner_tag(int fd, uint64_t expected_tag, uint64_t new_tag) {
  fdaudit_exchange_owner(fd, expected_tag, new_tag);
}
FDAUDIT_INLINE int android_fdsan_close_with_tag(int fd, uint64_t tag) { return fdaudit_close_with_owner(fd, tag); }
FDAUDIT_INLINE uint64_t android_fdsan_get_owner_tag(int fd) { return fdaudit_get_owner(fd); }
FDAUDIT_INLINE enum android_fdsan_error_level android_fdsan_get_error_level(void) {
  return (enum android_fdsan_error_level)(__fdaudit_error_level ? __fdaudit_error_level(-1) : 0);
}
/* Returns the level before. */
FDAUDIT_INLINE enum android_fdsan_error_level android_fdsan_set_error_level(enum android_fdsan_error_level level) {
  return (enum android_fdsan_error_level)(__fdaudit_error_level ? __fdaudit_error_level((int)level) : 0);
}
/* There is no such property here. */
FDAUDIT_INLINE enum android_fdsan_error_level android_fdsan_set_error_level_from_property(
    enum android_fdsan_error_level default_level) {
  return android_fdsan_set_error_level(default_level);
}

#endif

#ifdef __cplusplus
}  // extern "C"

namespace fdaudit {

/// A descriptor that is closed with the object that holds it, which declares itself its owner: closes of the number by
/// other code are reported. Moves, never copies.
class unique_fd {
 public:
  unique_fd() = default;
  explicit __attribute__((always_inline)) unique_fd(int fd) { take(fd); }
  __attribute__((always_inline)) unique_fd(unique_fd&& other) noexcept { take(other.release()); }
  __attribute__((always_inline)) unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  unique_fd(const unique_fd&) = delete;
  unique_fd& operator=(const unique_fd&) = delete;
  __attribute__((always_inline)) ~unique_fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  /// Closes what it holds, and holds `fd` from now on. Keeps errno.
  __attribute__((always_inline)) void reset(int fd = -1) {
    const int before = fd_;
    fd_ = -1;
    if (before >= 0) {
      const int saved_errno = errno;
      fdaudit_close_with_owner(before, owner());
      errno = saved_errno;
    }
    take(fd);
  }
  /// The caller has it from now on.
  __attribute__((always_inline)) int release() {
    const int fd = fd_;
    if (fd >= 0) fdaudit_exchange_owner(fd, owner(), 0);
    fd_ = -1;
    return fd;
  }

 private:
  uint64_t owner() const {
    constexpr uint64_t kUniqueFd = 3;  // as ANDROID_FDSAN_OWNER_TYPE_UNIQUE_FD
    return kUniqueFd << 56 | (reinterpret_cast<uintptr_t>(this) & ((uint64_t{1} << 56) - 1));
  }
  __attribute__((always_inline)) void take(int fd) {
    fd_ = fd;
    if (fd >= 0) fdaudit_exchange_owner(fd, 0, owner());
  }

  int fd_ = -1;
};

/// The checkpoint of a scope: nothing is at work behind it.
class checkpoint {
 public:
  explicit checkpoint(const char* name) { fdaudit_checkpoint(name); }
  checkpoint(const checkpoint&) = delete;
  checkpoint& operator=(const checkpoint&) = delete;
  ~checkpoint() { fdaudit_checkpoint(nullptr); }
};

}  // namespace fdaudit
#endif
