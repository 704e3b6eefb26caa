#pragma once

// clang-format off

// Lines (see calls.c) for shim/families/kernel_objects.cc, and what they and the system calls made by number share.

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static sigset_t usr1(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  return set;
}
static const sigset_t* mask(void) {
  static sigset_t set;
  set = usr1();
  return &set;
}
// Set up by number, so that no line's own function stands in the dump for another reason.
static int epoll_set(void) { return (int)syscall(SYS_epoll_create1, 0); }
static int own_process(void) { return (int)syscall(SYS_pidfd_open, getpid(), 0); }
static int own_process_by_libc(void) { return pidfd_open(getpid(), 0); }
static int signals(void) { return (int)syscall(SYS_signalfd4, -1, mask(), 8, 0); }
static int tmpfs(void) {
  int fd = (int)syscall(SYS_fsopen, "tmpfs", 0);
  if (fd >= 0) syscall(SYS_fsconfig, fd, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0);
  return fd;
}
static struct epoll_event* readable(void) {
  static struct epoll_event event = {.events = EPOLLIN};
  return &event;
}
static int pipe_end(void) {
  if (pipe(ends)) abort();
  return ends[0];
}

#define KERNEL_OBJECTS_CALLS(CALL)                                                                                  \
  CALL(epoll_create, "epoll", epoll_create(1), epoll_create(0))                                                     \
  CALL(epoll_create1, "epoll", epoll_create1(EPOLL_CLOEXEC), epoll_create1(-1))                                     \
  CALL(epoll_ctl, "-", epoll_ctl(epoll_set(), EPOLL_CTL_ADD, pipe_end(), readable()),                               \
       epoll_ctl(epoll_set(), EPOLL_CTL_ADD, 777, readable()))                                                      \
  CALL(eventfd, "eventfd", eventfd(3, EFD_CLOEXEC), eventfd(0, -1))                                                 \
  CALL(signalfd, "signalfd", signalfd(-1, mask(), 0), signalfd(-1, (sigset_t*)(void*)unmapped, 0))                  \
  CALL(timerfd_create, "timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), timerfd_create(-1, 0))              \
  CALL(inotify_init, "inotify", inotify_init(), kNone)                                                              \
  CALL(inotify_init1, "inotify", inotify_init1(IN_CLOEXEC), inotify_init1(-1))                                      \
  CALL(fanotify_init, "fanotify", fanotify_init(FAN_CLASS_NOTIF, O_RDONLY), fanotify_init(-1u, 0))                  \
  CALL(pidfd_open, "pidfd", pidfd_open(getpid(), 0), pidfd_open(-1, 0))                                             \
  CALL(pidfd_getfd, "character-device", pidfd_getfd(own_process(), null(), 0), pidfd_getfd(777, 0, 0))              \
  CALL(open_tree, "mount", open_tree(AT_FDCWD, "/", OPEN_TREE_CLOEXEC), open_tree(AT_FDCWD, "/nowhere/x", 0))       \
  CALL(fsopen, "mount", fsopen("tmpfs", FSOPEN_CLOEXEC), fsopen("no-such-filesystem", 0))                           \
  CALL(fsmount, "mount", fsmount(tmpfs(), FSMOUNT_CLOEXEC, 0), fsmount(777, 0, 0))                                  \
  CALL(fspick, "mount", fspick(AT_FDCWD, "/proc", FSPICK_CLOEXEC), fspick(AT_FDCWD, "/nowhere/x", 0))
