#pragma once

// clang-format off

// Lines (see calls.c) for system calls made by number: CALL(NUMBER'S NAME, …) stands for "syscall:NAME". Some of them
// this machine may forbid: then they fail with and without the shim alike.

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>

#include "kernel_objects_calls.h"

static struct open_how how(void) { return (struct open_how){.flags = O_RDWR | O_CREAT | O_CLOEXEC, .mode = 0640}; }

// A handle of an existing file, and the mount it lies on.
static struct {
  struct file_handle handle;
  unsigned char bytes[MAX_HANDLE_SZ];
} handle;
static void* root_handle(void) {
  int mount;
  handle.handle.handle_bytes = MAX_HANDLE_SZ;
  if (name_to_handle_at(AT_FDCWD, "/tmp", &handle.handle, &mount, 0)) perror("name_to_handle_at");
  return &handle;
}
static int folder_number(void) { return open("/tmp", O_RDONLY | O_DIRECTORY); }

static long bpf_map(unsigned value_size) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_type = BPF_MAP_TYPE_ARRAY;
  attributes.key_size = 4;
  attributes.value_size = value_size;
  attributes.max_entries = 1;
  return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}
static long ring(unsigned entries) {
  static struct io_uring_params parameters;
  return syscall(SYS_io_uring_setup, entries, &parameters);
}
static long perf(unsigned type) {
  struct perf_event_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.type = type;
  attributes.size = sizeof attributes;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.exclude_kernel = 1;
  return syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}
static long ruleset(size_t size) {
  struct landlock_ruleset_attr attributes = {.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE};
  return syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
}
static int queue_by_number(void) {
  int fd = (int)syscall(SYS_mq_open, shared_name() + 1, O_RDWR | O_CREAT, 0600, NULL);
  syscall(SYS_mq_unlink, shared_name() + 1);
  return fd;
}
// A filter that allows everything, and whose notifications nobody reads.
static long listener(void) {
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {1, &allow};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) abort();
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
}
static int add_to(int set, int fd) { return (int)syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, fd, readable()); }
static int opened_how(const char* path) {
  struct open_how asked = how();
  return (int)syscall(SYS_openat2, AT_FDCWD, path, &asked, sizeof asked);
}

#define SYSCALL_CALLS(CALL)                                                                                            \
  CALL(open, "file", syscall(SYS_open, "made", O_RDWR | O_CREAT, 0640), syscall(SYS_open, "/nowhere/x", O_RDONLY))     \
  CALL(openat, "directory", syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY),                                \
       syscall(SYS_openat, AT_FDCWD, unmapped, O_RDONLY | O_DIRECTORY))                                                \
  CALL(openat2, "file", opened_how("made"), opened_how("/nowhere/x"))                                                  \
  CALL(creat, "file", syscall(SYS_creat, "made", 0640), syscall(SYS_creat, "/nowhere/x", 0640))                        \
  CALL(open_by_handle_at, "directory",                                                                                 \
       syscall(SYS_open_by_handle_at, folder_number(), root_handle(), O_RDONLY | O_DIRECTORY),                         \
       syscall(SYS_open_by_handle_at, 777, root_handle(), O_RDONLY))                                                   \
  CALL(memfd_create, "memfd", syscall(SYS_memfd_create, "scratch", 1), syscall(SYS_memfd_create, unmapped, 0))         \
  CALL(memfd_secret, "memfd", syscall(447, O_CLOEXEC), syscall(447, -1))                                               \
  CALL(mq_open, "mqueue", queue_by_number(),                                                                           \
       syscall(SYS_mq_open, "no/where", O_RDWR, 0, NULL))                                                             \
  CALL(socket, "socket", syscall(SYS_socket, AF_UNIX, SOCK_DGRAM, 0), syscall(SYS_socket, -1, 0, 0))                   \
  CALL(socketpair, "socket", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends),                                   \
       syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, unmapped))                                                     \
  CALL(accept, "socket", syscall(SYS_accept, waiting(), NULL, NULL), syscall(SYS_accept, 777, NULL, NULL))             \
  CALL(accept4, "socket", syscall(SYS_accept4, waiting(), NULL, NULL, SOCK_CLOEXEC),                                   \
       syscall(SYS_accept4, waiting(), NULL, NULL, -1))                                                                \
  CALL(pipe, "pipe", syscall(SYS_pipe, ends), syscall(SYS_pipe, unmapped))                                             \
  CALL(pipe2, "pipe", syscall(SYS_pipe2, ends, O_CLOEXEC), syscall(SYS_pipe2, ends, -1))                               \
  CALL(epoll_create, "epoll", syscall(SYS_epoll_create, 1), syscall(SYS_epoll_create, 0))                              \
  CALL(epoll_create1, "epoll", syscall(SYS_epoll_create1, 0), syscall(SYS_epoll_create1, -1))                          \
  CALL(epoll_ctl, "-", add_to(epoll_create1(0), pipe_end()), add_to(epoll_create1(0), 777))                            \
  CALL(eventfd, "eventfd", syscall(SYS_eventfd, 3), kNone)                                                             \
  CALL(eventfd2, "eventfd", syscall(SYS_eventfd2, 3, EFD_CLOEXEC), syscall(SYS_eventfd2, 3, -1))                       \
  CALL(signalfd, "signalfd", syscall(SYS_signalfd, -1, mask(), 8), syscall(SYS_signalfd, -1, mask(), 7))               \
  CALL(signalfd4, "signalfd", syscall(SYS_signalfd4, -1, mask(), 8, SFD_CLOEXEC),                                      \
       syscall(SYS_signalfd4, -1, unmapped, 8, 0))                                                                     \
  CALL(timerfd_create, "timerfd", syscall(SYS_timerfd_create, CLOCK_BOOTTIME, 0), syscall(SYS_timerfd_create, 99, 0))  \
  CALL(inotify_init, "inotify", syscall(SYS_inotify_init), kNone)                                                      \
  CALL(inotify_init1, "inotify", syscall(SYS_inotify_init1, 0), syscall(SYS_inotify_init1, -1))                        \
  CALL(fanotify_init, "fanotify", syscall(SYS_fanotify_init, 0, 0), syscall(SYS_fanotify_init, -1, 0))                 \
  CALL(userfaultfd, "userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC), syscall(SYS_userfaultfd, -1))                  \
  CALL(perf_event_open, "perf-event", perf(PERF_TYPE_SOFTWARE), perf(0x7fffffff))                                      \
  CALL(io_uring_setup, "io-uring", ring(4), ring(0))                                                                   \
  CALL(bpf, "bpf", bpf_map(8), bpf_map(0))                                                                             \
  CALL(pidfd_open, "pidfd", syscall(SYS_pidfd_open, getpid(), 0), syscall(SYS_pidfd_open, -1, 0))                      \
  CALL(pidfd_getfd, "character-device", syscall(SYS_pidfd_getfd, own_process_by_libc(), null(), 0),                    \
       syscall(SYS_pidfd_getfd, 777, 0, 0))                                                                            \
  CALL(open_tree, "mount", syscall(SYS_open_tree, AT_FDCWD, "/", O_CLOEXEC), syscall(SYS_open_tree, 777, "x", 0))      \
  CALL(open_tree_attr, "mount", syscall(467, AT_FDCWD, "/", O_CLOEXEC, NULL, 0),                                       \
       syscall(467, 777, "x", 0, NULL, 0))                                                                             \
  CALL(fsopen, "mount", syscall(SYS_fsopen, "tmpfs", 1), syscall(SYS_fsopen, unmapped, 0))                             \
  CALL(fsmount, "mount", syscall(SYS_fsmount, tmpfs(), 1, 0), syscall(SYS_fsmount, 777, 0, 0))                         \
  CALL(fspick, "mount", syscall(SYS_fspick, AT_FDCWD, "/proc", 1), syscall(SYS_fspick, 777, "x", 0))                       \
  CALL(landlock_create_ruleset, "landlock", ruleset(8), ruleset(0))                                                    \
  CALL(dup, "-", syscall(SYS_dup, null()), syscall(SYS_dup, 777))                                                      \
  CALL(dup2, "-", syscall(SYS_dup2, null(), 9), syscall(SYS_dup2, 777, 9))                                             \
  CALL(dup3, "-", syscall(SYS_dup3, null(), 9, O_CLOEXEC), syscall(SYS_dup3, 0, 0, 0))                                 \
  CALL(fcntl, "-", syscall(SYS_fcntl, null(), F_DUPFD, 20), syscall(SYS_fcntl, 777, F_DUPFD_CLOEXEC, 20))              \
  CALL(close, "-", syscall(SYS_close, null()), syscall(SYS_close, 777))                                                \
  CALL(close_range, "-", syscall(SYS_close_range, null(), 99, 0), syscall(SYS_close_range, 9, 3, 0))                   \
  CALL(exit, "-", syscall(SYS_exit, 7), kNone)                                                                         \
  CALL(exit_group, "-", syscall(SYS_exit_group, 7), kNone)                                                             \
  CALL(seccomp, "unknown", listener(), syscall(SYS_seccomp, 99, 0, NULL))                                              \
  CALL(prctl, "-", syscall(SYS_prctl, PR_SET_NAME, "calls"), syscall(SYS_prctl, -1, 0, 0, 0, 0))
