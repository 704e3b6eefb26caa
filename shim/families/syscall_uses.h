#pragma once

// Which arguments of a system call made by number are descriptors: for the calls that raw_syscall.cc does not know as
// more than uses. Looked up only where one has failed with EBADF or ENOTSOCK.

#include <fcntl.h>
#include <sys/syscall.h>

#include "shim/events/events.h"

#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif

namespace fdaudit::shim {

/// One use by number. `fd` and `other` are indices of arguments, -1 = there is none.
struct SyscallUse {
  long number;
  int fd = 0;
  int other = -1;
  bool has_mode = true;
  int size = -1;   ///< argument without which nothing is moved, and the call only asks
  int flags = -1;  ///< argument that with AT_EMPTY_PATH asks about the descriptor itself
};

inline constexpr SyscallUse kSyscallUses[] = {
    {.number = SYS_read, .size = 2},
    {.number = SYS_pread64, .size = 2},
    {.number = SYS_readv, .size = 2},
    {.number = SYS_preadv, .size = 2},
    {.number = SYS_preadv2, .size = 2},
    {.number = SYS_write, .size = 2},
    {.number = SYS_pwrite64, .size = 2},
    {.number = SYS_writev, .size = 2},
    {.number = SYS_pwritev, .size = 2},
    {.number = SYS_pwritev2, .size = 2},
    {.number = SYS_recvfrom, .size = 2},
    {.number = SYS_sendto, .size = 2},
    {.number = SYS_sendmsg},
    {.number = SYS_sendmmsg},
    {.number = SYS_getdents64, .size = 2},
    {.number = SYS_readahead},
    {.number = SYS_lseek, .size = 2},
    {.number = SYS_fsync},
    {.number = SYS_fdatasync},
    {.number = SYS_syncfs},
    {.number = SYS_sync_file_range},
    {.number = SYS_ftruncate},
    {.number = SYS_fallocate},
    {.number = SYS_fadvise64},
    {.number = SYS_sendfile, .fd = 1, .other = 0},
    {.number = SYS_splice, .fd = 0, .other = 2},
    {.number = SYS_tee, .fd = 0, .other = 1},
    {.number = SYS_vmsplice},
    {.number = SYS_copy_file_range, .fd = 0, .other = 2},
    {.number = SYS_mmap, .fd = 4},
    {.number = SYS_flock},
    {.number = SYS_fchmod},
    {.number = SYS_fchown},
    {.number = SYS_fchdir},
    {.number = SYS_fgetxattr},
    {.number = SYS_fsetxattr},
    {.number = SYS_flistxattr},
    {.number = SYS_fremovexattr},
    {.number = SYS_fstatfs},
    {.number = SYS_ioctl},
    {.number = SYS_setns, .has_mode = false},
    {.number = SYS_shutdown},
    {.number = SYS_getsockopt},
    {.number = SYS_setsockopt},
    {.number = SYS_getsockname},
    {.number = SYS_getpeername},
    {.number = SYS_epoll_pwait, .has_mode = false},
    {.number = SYS_epoll_pwait2, .has_mode = false},
    {.number = SYS_timerfd_settime},
    {.number = SYS_timerfd_gettime},
    {.number = SYS_inotify_add_watch},
    {.number = SYS_inotify_rm_watch},
    {.number = SYS_fanotify_mark, .fd = 0, .other = 3, .has_mode = false},
    {.number = SYS_mq_timedsend},
    {.number = SYS_mq_timedreceive},
    {.number = SYS_mq_getsetattr},
    {.number = SYS_mq_notify},
    {.number = SYS_pidfd_send_signal, .has_mode = false},
    {.number = SYS_unlinkat, .has_mode = false},
    {.number = SYS_mkdirat, .has_mode = false},
    {.number = SYS_mknodat, .has_mode = false},
    {.number = SYS_renameat2, .fd = 0, .other = 2, .has_mode = false},
    {.number = SYS_linkat, .fd = 0, .other = 2, .has_mode = false},
    {.number = SYS_symlinkat, .fd = 1, .has_mode = false},
    {.number = SYS_readlinkat, .has_mode = false},
    {.number = SYS_fchmodat, .has_mode = false},
    {.number = SYS_fchownat, .has_mode = false},
    {.number = SYS_faccessat, .has_mode = false},
    {.number = SYS_faccessat2, .has_mode = false, .flags = 3},
    {.number = SYS_utimensat, .has_mode = false},
    {.number = SYS_name_to_handle_at, .has_mode = false},
    {.number = SYS_statx, .has_mode = false, .flags = 2},
    {.number = SYS_newfstatat, .has_mode = false, .flags = 3},
    {.number = SYS_execveat, .has_mode = false},
#ifdef SYS_epoll_wait  // What newer architectures leave to the calls above.
    {.number = SYS_epoll_wait, .has_mode = false},
    {.number = SYS_renameat, .fd = 0, .other = 2, .has_mode = false},
    {.number = SYS_futimesat, .has_mode = false},
    {.number = SYS_getdents, .size = 2},
#endif
};

/// The row of a call that was a use, and no question; nullptr where it was none. `values`: its six arguments.
inline const SyscallUse* FindSyscallUse(long number, const long* values) {
  for (const SyscallUse& use : kSyscallUses) {
    if (use.number != number) continue;
    const bool asks = number == SYS_lseek ? values[1] == 0 && values[2] == SEEK_CUR
                                          : (use.size >= 0 && values[use.size] == 0) ||
                                                (use.flags >= 0 && (values[use.flags] & AT_EMPTY_PATH) != 0);
    return asks ? nullptr : &use;
  }
  return nullptr;
}

}  // namespace fdaudit::shim
