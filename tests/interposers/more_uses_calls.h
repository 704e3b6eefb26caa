#pragma once

// Lines (see calls.c) for the other uses of a descriptor: directories to begin in, terminals, poll and select, kernel
// objects. As in uses_calls.h, the failing call uses a number that was closed before.

#include <aio.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/pidfd.h>
#include <sys/select.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>

extern int __fxstatat(int, int, const char*, struct stat*, int);
extern int __fxstatat64(int, int, const char*, struct stat64*, int);
extern int __xmknodat(int, int, const char*, mode_t, dev_t*);
extern ssize_t __readlinkat_chk(int, const char*, char*, size_t, size_t);
extern int __dprintf_chk(int, int, const char*, ...);
extern int __vdprintf_chk(int, int, const char*, va_list);
extern int __ptsname_r_chk(int, char*, size_t, size_t);
extern int __poll(struct pollfd*, nfds_t, int);
extern int __poll_chk(struct pollfd*, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd*, nfds_t, const struct timespec*, const sigset_t*, size_t);
extern int __select(int, fd_set*, fd_set*, fd_set*, struct timeval*);
extern ssize_t getdirentries(int, char*, size_t, off_t*);
extern ssize_t getdirentries64(int, char*, size_t, off64_t*);

static union {
  struct stat stat;
  struct stat64 stat64;
  struct statx statx;
  struct statfs statfs;
  struct statfs64 statfs64;
  struct statvfs statvfs;
  struct statvfs64 statvfs64;
  siginfo_t info;
} about;
static struct timeval now[2];
static struct pollfd asked[1];
static struct mq_attr attributes;
static off_t position;

static int here(void) { return open(".", O_RDONLY | O_DIRECTORY); }
static int root(void) { return open("/", O_RDONLY | O_DIRECTORY); }
/// A folder that has the file "made".
static int holding(void) {
  close(made());
  return here();
}
static dev_t* no_device(void) {
  static dev_t none;
  return &none;
}
static int linking(void) {
  if (symlink("made", "link")) abort();
  return here();
}
static int handled(int directory) {
  static struct file_handle handle;
  int mount;
  return name_to_handle_at(directory, "made", &handle, &mount, 0);  // the room is too small: EOVERFLOW
}
static int none_chosen(const struct dirent* entry) { return entry == NULL; }
static int none_chosen_64(const struct dirent64* entry) { return entry == NULL; }
static int scanned(int directory) {
  struct dirent** list = NULL;
  const int count = scandirat(directory, ".", &list, none_chosen, NULL);
  free(list);
  return count;
}
static int scanned_64(int directory) {
  struct dirent64** list = NULL;
  const int count = scandirat64(directory, ".", &list, none_chosen_64, NULL);
  free(list);
  return count;
}
static int printed(int fd, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int result = vdprintf(fd, format, arguments);
  va_end(arguments);
  return result;
}
static int printed_checked(int fd, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int result = __vdprintf_chk(fd, 1, format, arguments);
  va_end(arguments);
  return result;
}
static int pty_master(void) { return open("/dev/ptmx", O_RDWR | O_NOCTTY); }
static struct pollfd* entry(int fd) {
  asked[0] = (struct pollfd){fd, POLLIN | POLLOUT, 0};
  return asked;
}
static int revents(int result) { return result * 1000 + asked[0].revents; }
static int chosen(int fd, int (*function)(int, fd_set*, fd_set*, fd_set*, struct timeval*)) {
  fd_set set;
  struct timeval none = {0, 0};
  FD_ZERO(&set);
  FD_SET(fd, &set);
  return function(fd + 1, &set, NULL, NULL, &none);
}
static int chosen_masked(int fd) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(fd, &set);
  return pselect(fd + 1, NULL, &set, NULL, &moment, NULL);
}
/// Without a name on the machine.
static mqd_t messages(int waiting) {
  char name[32];
  snprintf(name, sizeof name, "/fdaudit-%d", getpid());
  const mqd_t queue = (mqd_t)syscall(SYS_mq_open, name + 1, O_CREAT | O_RDWR, 0600, NULL);
  if (queue >= 0) syscall(SYS_mq_unlink, name + 1);
  if (queue >= 0 && waiting) syscall(SYS_mq_timedsend, queue, "hello", 5, 0, NULL);
  return queue;
}
static char message_room[8192];  // as long as the queue's longest
static int pidfd(void) { return (int)syscall(SYS_pidfd_open, getpid(), 0); }
static int child_pidfd(void) {
  const pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) syscall(SYS_exit_group, 0);
  return (int)syscall(SYS_pidfd_open, child, 0);
}
static int request_error(int fd, int wide) {
  static struct aiocb request;
  static struct aiocb64 wide_request;
  const struct aiocb* list[] = {&request};
  const struct aiocb64* wide_list[] = {&wide_request};
  request = (struct aiocb){.aio_fildes = fd, .aio_buf = room, .aio_nbytes = 1};
  wide_request = (struct aiocb64){.aio_fildes = fd, .aio_buf = room, .aio_nbytes = 1};
  if (wide)
    return aio_read64(&wide_request) || aio_suspend64(wide_list, 1, NULL) || (errno = 0, aio_error64(&wide_request));
  return aio_read(&request) || aio_suspend(list, 1, NULL) || (errno = 0, aio_error(&request));
}
static int synced(int fd, int wide) {
  static struct aiocb request;
  static struct aiocb64 wide_request;
  request = (struct aiocb){.aio_fildes = fd};
  wide_request = (struct aiocb64){.aio_fildes = fd};
  const int result = wide ? aio_fsync64(O_SYNC, &wide_request) : aio_fsync(O_SYNC, &request);
  const struct aiocb* list[] = {&request};
  if (result == 0 && !wide) aio_suspend(list, 1, NULL);
  return result;
}
static int filter(int fd, int which) {
  const struct sockaddr_in group = {.sin_family = AF_INET, .sin_addr = {htonl(0xe0000001)}};
  const struct in_addr any = {0};
  uint32_t mode = 0, count = 0;
  if (which == 0) return getsourcefilter(fd, 0, (const struct sockaddr*)&group, sizeof group, &mode, &count, NULL);
  if (which == 1) return setsourcefilter(fd, 0, (const struct sockaddr*)&group, sizeof group, 0, 0, NULL);
  if (which == 2) return getipv4sourcefilter(fd, any, group.sin_addr, &mode, &count, NULL);
  return setipv4sourcefilter(fd, any, group.sin_addr, 0, 0, NULL);
}
/// A function that libc may be too old to have.
static int by_name(const char* name, int fd) {
  int (*function)(int, unsigned int, unsigned int) =
      (int (*)(int, unsigned int, unsigned int))dlsym(RTLD_DEFAULT, name);
  return function && dlsym(dlopen("libc.so.6", RTLD_NOW), name) ? function(fd, 0, 0) : kNone;
}

#define MORE_USES_CALLS(CALL)                                                                                          \
  CALL(fstatat, "used", fstatat(root(), "etc", &about.stat, 0), fstatat(gone(), "etc", &about.stat, 0))                \
  CALL(fstatat64, "used", fstatat64(root(), "etc", &about.stat64, 0), fstatat64(gone(), "etc", &about.stat64, 0))      \
  CALL(__fxstatat, "used", __fxstatat(1, root(), "etc", &about.stat, 0), __fxstatat(1, gone(), "etc", &about.stat, 0)) \
  CALL(__fxstatat64, "used", __fxstatat64(1, root(), "etc", &about.stat64, 0),                                         \
       __fxstatat64(1, gone(), "etc", &about.stat64, 0))                                                               \
  CALL(statx, "used", statx(root(), "etc", 0, STATX_SIZE, &about.statx),                                               \
       statx(gone(), "etc", 0, STATX_SIZE, &about.statx))                                                              \
  CALL(faccessat, "used", faccessat(root(), "etc", R_OK, 0), faccessat(gone(), "etc", R_OK, 0))                        \
  CALL(unlinkat, "used", unlinkat(holding(), "made", 0), unlinkat(gone(), "made", 0))                                  \
  CALL(mkdirat, "used", mkdirat(here(), "made", 0700), mkdirat(gone(), "made", 0700))                                  \
  CALL(mkfifoat, "used", mkfifoat(here(), "made", 0600), mkfifoat(gone(), "made", 0600))                               \
  CALL(mknodat, "used", mknodat(here(), "made", S_IFIFO | 0600, 0), mknodat(gone(), "made", S_IFIFO | 0600, 0))        \
  CALL(__xmknodat, "used", __xmknodat(0, here(), "made", S_IFIFO | 0600, no_device()),                                 \
       __xmknodat(0, gone(), "made", S_IFIFO | 0600, no_device()))                                                     \
  CALL(renameat, "used", renameat(holding(), "made", here(), "other"), renameat(here(), "made", gone(), "other"))      \
  CALL(renameat2, "used", renameat2(holding(), "made", here(), "other", 0),                                            \
       renameat2(gone(), "made", here(), "other", 0))                                                                  \
  CALL(linkat, "used", linkat(holding(), "made", here(), "other", 0), linkat(gone(), "made", here(), "other", 0))      \
  CALL(symlinkat, "used", symlinkat("x", here(), "made"), symlinkat("x", gone(), "made"))                              \
  CALL(readlinkat, "used", (int)readlinkat(linking(), "link", room, 8), (int)readlinkat(gone(), "link", room, 8))      \
  CALL(__readlinkat_chk, "used", (int)__readlinkat_chk(linking(), "link", room, 8, 64),                                \
       (int)__readlinkat_chk(gone(), "link", room, 8, 64))                                                             \
  CALL(fchmodat, "used", fchmodat(holding(), "made", 0600, 0), fchmodat(gone(), "made", 0600, 0))                      \
  CALL(fchownat, "used", fchownat(holding(), "made", (uid_t)-1, (gid_t)-1, 0),                                         \
       fchownat(gone(), "made", (uid_t)-1, (gid_t)-1, 0))                                                              \
  CALL(utimensat, "used", utimensat(holding(), "made", NULL, 0), utimensat(gone(), "made", NULL, 0))                   \
  CALL(futimesat, "used", futimesat(holding(), "made", now), futimesat(gone(), "made", now))                           \
  CALL(name_to_handle_at, "used", handled(holding()) == -1 && errno == EBADF, handled(gone()))                         \
  CALL(move_mount, "used", move_mount(here(), "x", here(), "y", 0) == 0, move_mount(here(), "x", gone(), "y", 0))      \
  CALL(mount_setattr, "used", mount_setattr(here(), "x", 0, NULL, 0) == 0,                                             \
       mount_setattr(gone(), "x", 0, &(struct mount_attr){.attr_set = MOUNT_ATTR_NOSUID}, sizeof(struct mount_attr)))  \
  CALL(scandirat, "used", scanned(here()), scanned(gone()))                                                            \
  CALL(scandirat64, "used", scanned_64(here()), scanned_64(gone()))                                                    \
  CALL(fstatfs, "used", fstatfs(root(), &about.statfs), fstatfs(gone(), &about.statfs))                                \
  CALL(fstatfs64, "used", fstatfs64(root(), &about.statfs64), fstatfs64(gone(), &about.statfs64))                      \
  CALL(fstatvfs, "used", fstatvfs(root(), &about.statvfs), fstatvfs(gone(), &about.statvfs))                           \
  CALL(fstatvfs64, "used", fstatvfs64(root(), &about.statvfs64), fstatvfs64(gone(), &about.statvfs64))                 \
  CALL(fpathconf, "used", (int)fpathconf(root(), _PC_LINK_MAX) > 0, (int)fpathconf(gone(), _PC_LINK_MAX))              \
  CALL(futimes, "used", futimes(made(), now), futimes(gone(), now))                                                    \
  CALL(setns, "used", setns(open("/proc/self/ns/uts", O_RDONLY), CLONE_NEWIPC) == 0, setns(gone(), 0))                 \
  CALL(getdirentries, "used", getdirentries(root(), room, sizeof room, &position) > 0,                                 \
       (int)getdirentries(gone(), room, sizeof room, &position))                                                       \
  CALL(getdirentries64, "used", getdirentries64(root(), room, sizeof room, &position) > 0,                             \
       (int)getdirentries64(gone(), room, sizeof room, &position))                                                     \
  CALL(dprintf, "used", dprintf(made(), "%d%s", 12, "x"), dprintf(gone(), "%d%s", 12, "x"))                            \
  CALL(__dprintf_chk, "used", __dprintf_chk(made(), 1, "%d", 12), __dprintf_chk(gone(), 1, "%d", 12))                  \
  CALL(vdprintf, "used", printed(made(), "%d", 12), printed(gone(), "%d", 12))                                         \
  CALL(__vdprintf_chk, "used", printed_checked(made(), "%d", 12), printed_checked(gone(), "%d", 12))                   \
  CALL(tcflush, "used", tcflush(pty_master(), TCIFLUSH), tcflush(gone(), TCIFLUSH))                                    \
  CALL(tcflow, "used", tcflow(pty_master(), TCOON), tcflow(gone(), TCOON))                                             \
  CALL(tcdrain, "used", tcdrain(pty_master()), tcdrain(gone()))                                                        \
  CALL(tcsendbreak, "used", tcsendbreak(pty_master(), 0), tcsendbreak(gone(), 0))                                      \
  CALL(tcsetpgrp, "used", tcsetpgrp(null(), getpgrp()) == 0, tcsetpgrp(gone(), getpgrp()))                             \
  CALL(grantpt, "used", grantpt(pty_master()), grantpt(gone()))                                                        \
  CALL(unlockpt, "used", unlockpt(pty_master()), unlockpt(gone()))                                                     \
  CALL(ptsname, "used", good(ptsname(pty_master())), good(ptsname(gone())))                                            \
  CALL(ptsname_r, "used", ptsname_r(pty_master(), room, 64), ptsname_r(gone(), room, 64))                              \
  CALL(__ptsname_r_chk, "used", __ptsname_r_chk(pty_master(), room, 64, 64), __ptsname_r_chk(gone(), room, 64, 64))    \
  CALL(poll, "used", revents(poll(entry(null()), 1, 0)), revents(poll(entry(gone()), 1, 0)))                           \
  CALL(__poll, "used", revents(__poll(entry(null()), 1, 0)), revents(__poll(entry(gone()), 1, 0)))                     \
  CALL(__poll_chk, "used", revents(__poll_chk(entry(null()), 1, 0, 64)), revents(__poll_chk(entry(gone()), 1, 0, 64))) \
  CALL(ppoll, "used", revents(ppoll(entry(null()), 1, &moment, NULL)),                                                 \
       revents(ppoll(entry(gone()), 1, &moment, NULL)))                                                                \
  CALL(__ppoll_chk, "used", revents(__ppoll_chk(entry(null()), 1, &moment, NULL, 64)),                                 \
       revents(__ppoll_chk(entry(gone()), 1, &moment, NULL, 64)))                                                      \
  CALL(select, "used", chosen(null(), select), chosen(gone(), select))                                                 \
  CALL(__select, "used", chosen(null(), __select), chosen(gone(), __select))                                           \
  CALL(pselect, "used", chosen_masked(null()), chosen_masked(gone()))                                                  \
  CALL(mq_send, "used", mq_send(messages(0), "hello", 5, 0), mq_send(gone(), "hello", 5, 0))                           \
  CALL(mq_timedsend, "used", mq_timedsend(messages(0), "hello", 5, 0, &moment),                                        \
       mq_timedsend(gone(), "hello", 5, 0, &moment))                                                                   \
  CALL(mq_receive, "used", (int)mq_receive(messages(1), message_room, sizeof message_room, NULL),                      \
       (int)mq_receive(gone(), message_room, sizeof message_room, NULL))                                               \
  CALL(mq_timedreceive, "used", (int)mq_timedreceive(messages(1), message_room, sizeof message_room, NULL, &moment),   \
       (int)mq_timedreceive(gone(), message_room, sizeof message_room, NULL, &moment))                                 \
  CALL(mq_getattr, "used", mq_getattr(messages(0), &attributes), mq_getattr(gone(), &attributes))                      \
  CALL(mq_setattr, "used", mq_setattr(messages(0), &attributes, NULL), mq_setattr(gone(), &attributes, NULL))          \
  CALL(pidfd_send_signal, "used", pidfd_send_signal(pidfd(), 0, NULL, 0), pidfd_send_signal(gone(), 0, NULL, 0))       \
  CALL(pidfd_getpid, "-", by_name("pidfd_getpid", 777), kNone)                                                         \
  CALL(process_madvise, "used", process_madvise(pidfd(), NULL, 0, -1, 0) == 0,                                         \
       process_madvise(gone(), NULL, 0, 20, 0))                                                                        \
  CALL(process_mrelease, "used", process_mrelease(pidfd(), 1) == 0, process_mrelease(gone(), 0))                       \
  CALL(waitid, "used", waitid(P_PIDFD, (id_t)child_pidfd(), &about.info, WEXITED),                                     \
       waitid(P_PIDFD, (id_t)gone(), &about.info, WEXITED))                                                            \
  CALL(fanotify_mark, "used", fanotify_mark(null(), FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "/") == 0,                       \
       fanotify_mark(gone(), FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "/"))                                                   \
  CALL(fsconfig, "used", fsconfig(null(), 6, NULL, NULL, 0) == 0, fsconfig(gone(), 6, NULL, NULL, 0))                  \
  CALL(sockatmark, "used", sockatmark(greeted()) == 1, sockatmark(gone()))                                             \
  CALL(bindresvport, "used", bindresvport(null(), NULL) == 0, bindresvport(gone(), NULL))                              \
  CALL(getsourcefilter, "used", filter(null(), 0) == 0, filter(gone(), 0))                                             \
  CALL(setsourcefilter, "used", filter(null(), 1) == 0, filter(gone(), 1))                                             \
  CALL(getipv4sourcefilter, "used", filter(null(), 2) == 0, filter(gone(), 2))                                         \
  CALL(setipv4sourcefilter, "used", filter(null(), 3) == 0, filter(gone(), 3))                                         \
  CALL(aio_error, "used", request_error(null(), 0), request_error(gone(), 0))                                          \
  CALL(aio_error64, "used", request_error(null(), 1), request_error(gone(), 1))                                        \
  CALL(aio_cancel, "used", aio_cancel(null(), NULL), aio_cancel(gone(), NULL))                                         \
  CALL(aio_cancel64, "used", aio_cancel64(null(), NULL), aio_cancel64(gone(), NULL))                                   \
  CALL(aio_fsync, "used", synced(made(), 0), synced(gone(), 0))                                                        \
  CALL(aio_fsync64, "used", synced(made(), 1), synced(gone(), 1))
