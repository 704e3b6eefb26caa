// Descriptors that stand for an object of the kernel: each kind left open by a function of its own, and all of them used
// as they should be.
#include "scenario.h"

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 36)
int main(void) {
  fputs("this libc has no calls for them yet\n", stderr);
  return 77;
}
#else

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static sigset_t* two_signals(void) {
  static sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGRTMIN + 2);
  return &set;
}

static void leak_epoll(void) { MUST(epoll_create1(0) >= 0); }                               // @epoll
static void leak_epoll_old(void) { MUST(epoll_create(1) >= 0); }                            // @epoll_old
static void leak_eventfd(void) { MUST(eventfd(3, EFD_CLOEXEC) >= 0); }                      // @eventfd
static void leak_semaphore(void) { MUST(eventfd(0, EFD_SEMAPHORE) >= 0); }                  // @semaphore
static void leak_signalfd(void) { MUST(signalfd(-1, two_signals(), 0) >= 0); }              // @signalfd
static void leak_timerfd(void) { MUST(timerfd_create(CLOCK_BOOTTIME, 0) >= 0); }            // @timerfd
static void leak_inotify(void) { MUST(inotify_init1(IN_NONBLOCK) >= 0); }                   // @inotify
static void leak_inotify_old(void) { MUST(inotify_init() >= 0); }                           // @inotify_old
static void leak_fanotify(void) { MUST(fanotify_init(FAN_CLASS_CONTENT, O_RDONLY) >= 0); }  // @fanotify
static void leak_pidfd(void) { MUST(pidfd_open(getpid(), 0) >= 0); }                        // @pidfd
static void leak_open_tree(void) { MUST(open_tree(AT_FDCWD, "/", 0) >= 0); }                // @open_tree
static void leak_fsopen(void) { MUST(fsopen("tmpfs", FSOPEN_CLOEXEC) >= 0); }               // @fsopen
static void leak_fspick(void) { MUST(fspick(AT_FDCWD, "/proc", FSPICK_CLOEXEC) >= 0); }         // @fspick

static void leak_fsmount(void) {
  int filesystem = fsopen("tmpfs", FSOPEN_CLOEXEC);
  MUST(fsconfig(filesystem, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
  MUST(fsmount(filesystem, FSMOUNT_CLOEXEC, 0) >= 0);  // @fsmount
  close(filesystem);
}

static void leak_pidfd_getfd(void) {
  int process = pidfd_open(getpid(), 0), ends[2];
  MUST(pipe(ends) == 0);
  MUST(pidfd_getfd(process, ends[0], 0) >= 0);  // @pidfd_getfd
  close(ends[0]);
  close(ends[1]);
  close(process);
}

// Others are received, by the same descriptor.
static void leak_changed_signalfd(void) {
  sigset_t all;
  sigfillset(&all);
  int fd = signalfd(-1, two_signals(), 0);  // @changed_signalfd
  MUST(fd >= 0 && signalfd(fd, &all, 0) == fd);
}

static int add(int set, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

// Ten ends of pipes in an epoll set, which is left open, and so are they.
static void leak_watching_epoll(void) {
  int set = epoll_create1(0), gone[2];  // @watching_epoll
  for (int i = 0; i < 10; ++i) {
    int ends[2];
    MUST(pipe(ends) == 0 && add(set, ends[0]) == 0);  // @watched
  }
  MUST(pipe(gone) == 0 && add(set, gone[0]) == 0 && epoll_ctl(set, EPOLL_CTL_DEL, gone[0], NULL) == 0);
  MUST(add(set, gone[0]) == 0);
  close(gone[0]);
  close(gone[1]);
}

static void correct(void) {
  int set = epoll_create1(EPOLL_CLOEXEC), number = eventfd(0, 0), timer = timerfd_create(CLOCK_REALTIME, 0);
  int signals = signalfd(-1, two_signals(), SFD_CLOEXEC), watcher = inotify_init(), self = pidfd_open(getpid(), 0);
  MUST(signalfd(signals, two_signals(), 0) == signals);
  int copy = pidfd_getfd(self, number, 0), other = dup(set), inner = epoll_create(1);
  MUST(add(set, number) == 0 && add(set, timer) == 0 && add(other, copy) == 0 && add(set, inner) == 0);
  MUST(add(set, number) == -1 && errno == EEXIST && add(set, 777) == -1 && add(777, number) == -1);
  MUST(epoll_ctl(other, EPOLL_CTL_DEL, timer, NULL) == 0 && add(inner, timer) == 0);
  // The set goes with registrations alive, what is registered in one goes first in the other.
  close(set);
  close(other);
  close(number);
  close(copy);
  close(timer);
  close(inner);
  close(signals);
  close(watcher);
  close(self);
}

static void peers_process(void) {
  int ends[2], process = -1;
  socklen_t size = sizeof process;
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  for (int i = 0; i < 2; ++i) {
    if (getsockopt(ends[0], SOL_SOCKET, 77, &process, &size) != 0) _exit(77);  // @peer
    // SO_PEERPIDFD: Linux 6.5
    if (i == 0) close(process);
  }
  MUST(syscall(SYS_getsockopt, ends[1], SOL_SOCKET, 77, &process, &size) == 0);  // @peer-by-number
  close(ends[0]);
  close(ends[1]);
}

static const struct scenario kCases[] = {
    SCENARIO(peers_process),
    SCENARIO(leak_epoll),        SCENARIO(leak_epoll_old),      SCENARIO(leak_eventfd),  SCENARIO(leak_semaphore),
    SCENARIO(leak_signalfd),     SCENARIO(leak_timerfd),        SCENARIO(leak_inotify),  SCENARIO(leak_inotify_old),
    SCENARIO(leak_fanotify),     SCENARIO(leak_pidfd),          SCENARIO(leak_open_tree), SCENARIO(leak_fsopen),
    SCENARIO(leak_fspick),       SCENARIO(leak_fsmount),        SCENARIO(leak_pidfd_getfd),
    SCENARIO(leak_changed_signalfd), SCENARIO(leak_watching_epoll), SCENARIO(correct), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
#endif
