#pragma once

// Calls that use a descriptor: type "used". They open none; the failing one uses a number that was closed before.

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <termios.h>

extern ssize_t __read(int, void*, size_t);
extern ssize_t __write(int, const void*, size_t);
extern ssize_t __pread64(int, void*, size_t, off64_t);
extern ssize_t __pwrite64(int, const void*, size_t, off64_t);
extern off_t __lseek(int, off_t, int);
extern ssize_t __send(int, const void*, size_t, int);
extern ssize_t __read_chk(int, void*, size_t, size_t);
extern ssize_t __pread_chk(int, void*, size_t, off_t, size_t);
extern ssize_t __pread64_chk(int, void*, size_t, off64_t, size_t);
extern ssize_t __recv_chk(int, void*, size_t, size_t, int);
extern ssize_t __recvfrom_chk(int, void*, size_t, size_t, int, struct sockaddr*, socklen_t*);

static char room[4096];
static struct iovec part = {room, 4};
static struct mmsghdr message = {{.msg_iov = &part, .msg_iovlen = 1}, 0};
static struct termios terminal;
static socklen_t size = 128;
static struct epoll_event ready;
static struct timespec moment;
static struct itimerspec timer;
static eventfd_t count;

// A number that no other argument of the same call is given.
static int gone(void) {
  int fd = fcntl(0, F_DUPFD, 50);
  close(fd);
  return fd;
}
static int made(void) { return open("made", O_RDWR | O_CREAT, 0640); }
static int filled(void) {
  int fd = made();
  if (ftruncate(fd, 4)) abort();
  return fd;
}
static int greeted(void) {
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || write(ends[1], "hello", 5) != 5) abort();
  return ends[0];
}
static int empty_pipe(void) {
  int both[2];
  if (pipe(both)) abort();
  return both[1];
}
static int full_pipe(void) {
  int both[2];
  if (pipe(both) || write(both[1], "hello", 5) != 5) abort();
  return both[0];
}
static int mapped(void* address) { return address == MAP_FAILED ? -1 : 0; }

#define USES_CALLS(CALL)                                                                                        \
  CALL(read, "used", read(null(), room, 4), read(gone(), room, 4))                                              \
  CALL(__read, "used", __read(null(), room, 4), __read(gone(), room, 4))                                        \
  CALL(__read_chk, "used", __read_chk(null(), room, 4, 64), __read_chk(gone(), room, 4, 64))                    \
  CALL(pread, "used", pread(null(), room, 4, 0), pread(gone(), room, 4, 0))                                     \
  CALL(pread64, "used", pread64(null(), room, 4, 0), pread64(gone(), room, 4, 0))                               \
  CALL(__pread64, "used", __pread64(null(), room, 4, 0), __pread64(gone(), room, 4, 0))                         \
  CALL(__pread_chk, "used", __pread_chk(null(), room, 4, 0, 64), __pread_chk(gone(), room, 4, 0, 64))           \
  CALL(__pread64_chk, "used", __pread64_chk(null(), room, 4, 0, 64), __pread64_chk(gone(), room, 4, 0, 64))     \
  CALL(readv, "used", readv(null(), &part, 1), readv(gone(), &part, 1))                                         \
  CALL(preadv, "used", preadv(null(), &part, 1, 0), preadv(gone(), &part, 1, 0))                                \
  CALL(preadv64, "used", preadv64(null(), &part, 1, 0), preadv64(gone(), &part, 1, 0))                          \
  CALL(preadv2, "used", preadv2(null(), &part, 1, 0, 0), preadv2(gone(), &part, 1, 0, 0))                       \
  CALL(preadv64v2, "used", preadv64v2(null(), &part, 1, 0, 0), preadv64v2(gone(), &part, 1, 0, 0))              \
  CALL(recv, "used", recv(greeted(), room, 4, 0), recv(gone(), room, 4, 0))                                     \
  CALL(__recv_chk, "used", __recv_chk(greeted(), room, 4, 64, 0), __recv_chk(gone(), room, 4, 64, 0))           \
  CALL(recvfrom, "used", recvfrom(greeted(), room, 4, 0, NULL, NULL), recvfrom(gone(), room, 4, 0, NULL, NULL)) \
  CALL(__recvfrom_chk, "used", __recvfrom_chk(greeted(), room, 4, 64, 0, NULL, NULL),                           \
       __recvfrom_chk(gone(), room, 4, 64, 0, NULL, NULL))                                                      \
  CALL(getdents64, "used", getdents64(open("/proc/self", O_RDONLY), room, sizeof room) > 0,                     \
       getdents64(gone(), room, sizeof room))                                                                   \
  CALL(eventfd_read, "used", eventfd_read(eventfd(3, 0), &count), eventfd_read(gone(), &count))                 \
  CALL(readahead, "used", readahead(made(), 0, 4), readahead(gone(), 0, 4))                                     \
  CALL(write, "used", write(made(), room, 4), write(gone(), room, 4))                                           \
  CALL(__write, "used", __write(made(), room, 4), __write(gone(), room, 4))                                     \
  CALL(pwrite, "used", pwrite(made(), room, 4, 0), pwrite(gone(), room, 4, 0))                                  \
  CALL(pwrite64, "used", pwrite64(made(), room, 4, 0), pwrite64(gone(), room, 4, 0))                            \
  CALL(__pwrite64, "used", __pwrite64(made(), room, 4, 0), __pwrite64(gone(), room, 4, 0))                      \
  CALL(writev, "used", writev(made(), &part, 1), writev(gone(), &part, 1))                                      \
  CALL(pwritev, "used", pwritev(made(), &part, 1, 0), pwritev(gone(), &part, 1, 0))                             \
  CALL(pwritev64, "used", pwritev64(made(), &part, 1, 0), pwritev64(gone(), &part, 1, 0))                       \
  CALL(pwritev2, "used", pwritev2(made(), &part, 1, 0, 0), pwritev2(gone(), &part, 1, 0, 0))                    \
  CALL(pwritev64v2, "used", pwritev64v2(made(), &part, 1, 0, 0), pwritev64v2(gone(), &part, 1, 0, 0))           \
  CALL(send, "used", send(greeted(), room, 4, 0), send(gone(), room, 4, 0))                                     \
  CALL(__send, "used", __send(greeted(), room, 4, 0), __send(gone(), room, 4, 0))                               \
  CALL(sendto, "used", sendto(greeted(), room, 4, 0, NULL, 0), sendto(gone(), room, 4, 0, NULL, 0))             \
  CALL(sendmsg, "used", sendmsg(greeted(), &message.msg_hdr, 0), sendmsg(gone(), &message.msg_hdr, 0))          \
  CALL(sendmmsg, "used", sendmmsg(greeted(), &message, 1, 0), sendmmsg(gone(), &message, 1, 0))                 \
  CALL(eventfd_write, "used", eventfd_write(eventfd(3, 0), 1), eventfd_write(gone(), 1))                        \
  CALL(fsync, "used", fsync(made()), fsync(gone()))                                                             \
  CALL(fdatasync, "used", fdatasync(made()), fdatasync(gone()))                                                 \
  CALL(syncfs, "used", syncfs(made()), syncfs(gone()))                                                          \
  CALL(sync_file_range, "used", sync_file_range(made(), 0, 4, 0), sync_file_range(gone(), 0, 4, 0))             \
  CALL(ftruncate, "used", ftruncate(made(), 5), ftruncate(gone(), 5))                                           \
  CALL(ftruncate64, "used", ftruncate64(made(), 5), ftruncate64(gone(), 5))                                     \
  CALL(fallocate, "used", fallocate(made(), 0, 0, 9), fallocate(gone(), 0, 0, 9))                               \
  CALL(fallocate64, "used", fallocate64(made(), 0, 0, 9), fallocate64(gone(), 0, 0, 9))                         \
  CALL(posix_fallocate, "used", posix_fallocate(made(), 0, 9), posix_fallocate(gone(), 0, 9))                   \
  CALL(posix_fallocate64, "used", posix_fallocate64(made(), 0, 9), posix_fallocate64(gone(), 0, 9))             \
  CALL(sendfile, "used", sendfile(made(), filled(), NULL, 4), sendfile(made(), gone(), NULL, 4))                \
  CALL(sendfile64, "used", sendfile64(made(), filled(), NULL, 4), sendfile64(made(), gone(), NULL, 4))          \
  CALL(splice, "used", splice(full_pipe(), NULL, made(), NULL, 4, 0), splice(gone(), NULL, made(), NULL, 4, 0)) \
  CALL(tee, "used", tee(full_pipe(), empty_pipe(), 4, 0), tee(full_pipe(), gone(), 4, 0))                       \
  CALL(vmsplice, "used", vmsplice(empty_pipe(), &part, 1, 0), vmsplice(gone(), &part, 1, 0))                    \
  CALL(copy_file_range, "used", copy_file_range(filled(), NULL, made(), NULL, 4, 0),                            \
       copy_file_range(gone(), NULL, made(), NULL, 4, 0))                                                       \
  CALL(lseek, "used", (int)lseek(made(), 3, SEEK_SET), (int)lseek(gone(), 3, SEEK_SET))                         \
  CALL(lseek64, "used", (int)lseek64(made(), 3, SEEK_SET), (int)lseek64(gone(), 3, SEEK_SET))                   \
  CALL(__lseek, "used", (int)__lseek(made(), 3, SEEK_SET), (int)__lseek(gone(), 3, SEEK_SET))                   \
  CALL(mmap, "used", mapped(mmap(NULL, 4, PROT_READ, MAP_SHARED, filled(), 0)),                                 \
       mapped(mmap(NULL, 4, PROT_READ, MAP_SHARED, gone(), 0)))                                                 \
  CALL(mmap64, "used", mapped(mmap64(NULL, 4, PROT_READ, MAP_SHARED, filled(), 0)),                             \
       mapped(mmap64(NULL, 4, PROT_READ, MAP_SHARED, gone(), 0)))                                               \
  CALL(posix_fadvise, "used", posix_fadvise(filled(), 0, 4, POSIX_FADV_NORMAL),                                 \
       posix_fadvise(gone(), 0, 4, POSIX_FADV_NORMAL))                                                          \
  CALL(posix_fadvise64, "used", posix_fadvise64(filled(), 0, 4, POSIX_FADV_NORMAL),                             \
       posix_fadvise64(gone(), 0, 4, POSIX_FADV_NORMAL))                                                        \
  CALL(flock, "used", flock(made(), LOCK_EX), flock(gone(), LOCK_EX))                                           \
  CALL(lockf, "used", lockf(made(), F_LOCK, 4), lockf(gone(), F_LOCK, 4))                                       \
  CALL(lockf64, "used", lockf64(made(), F_LOCK, 4), lockf64(gone(), F_LOCK, 4))                                 \
  CALL(fchmod, "used", fchmod(made(), 0600), fchmod(gone(), 0600))                                              \
  CALL(fchown, "used", fchown(made(), (uid_t)-1, (gid_t)-1), fchown(gone(), (uid_t)-1, (gid_t)-1))              \
  CALL(fchdir, "used", fchdir(open("/", O_RDONLY)), fchdir(gone()))                                             \
  CALL(futimens, "used", futimens(made(), NULL), futimens(gone(), NULL))                                        \
  CALL(fgetxattr, "used", (int)fgetxattr(made(), "user.a", room, 4), (int)fgetxattr(gone(), "user.a", room, 4)) \
  CALL(fsetxattr, "used", fsetxattr(made(), "trusted", "b", 1, 0), fsetxattr(gone(), "user.a", "b", 1, 0))      \
  CALL(flistxattr, "used", (int)flistxattr(made(), room, 0), (int)flistxattr(gone(), room, 0))                  \
  CALL(fremovexattr, "used", fremovexattr(made(), "user.a"), fremovexattr(gone(), "user.a"))                    \
  CALL(tcsetattr, "used", tcsetattr(null(), TCSANOW, &terminal), tcsetattr(gone(), TCSANOW, &terminal))         \
  CALL(shutdown, "used", shutdown(greeted(), SHUT_WR), shutdown(gone(), SHUT_WR))                               \
  CALL(getsockopt, "used", getsockopt(greeted(), SOL_SOCKET, SO_TYPE, room, &size),                             \
       getsockopt(gone(), SOL_SOCKET, SO_TYPE, room, &size))                                                    \
  CALL(setsockopt, "used", setsockopt(greeted(), SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)),              \
       setsockopt(gone(), SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)))                                     \
  CALL(getsockname, "used", getsockname(greeted(), (struct sockaddr*)room, &size),                              \
       getsockname(gone(), (struct sockaddr*)room, &size))                                                      \
  CALL(getpeername, "used", getpeername(greeted(), (struct sockaddr*)room, &size),                              \
       getpeername(gone(), (struct sockaddr*)room, &size))                                                      \
  CALL(epoll_wait, "used", epoll_wait(epoll_create1(0), &ready, 1, 0), epoll_wait(gone(), &ready, 1, 0))        \
  CALL(epoll_pwait, "used", epoll_pwait(epoll_create1(0), &ready, 1, 0, NULL),                                  \
       epoll_pwait(gone(), &ready, 1, 0, NULL))                                                                 \
  CALL(epoll_pwait2, "used", epoll_pwait2(epoll_create1(0), &ready, 1, &moment, NULL),                          \
       epoll_pwait2(gone(), &ready, 1, &moment, NULL))                                                          \
  CALL(timerfd_settime, "used", timerfd_settime(timerfd_create(CLOCK_MONOTONIC, 0), 0, &timer, NULL),           \
       timerfd_settime(gone(), 0, &timer, NULL))                                                                \
  CALL(timerfd_gettime, "used", timerfd_gettime(timerfd_create(CLOCK_MONOTONIC, 0), &timer),                    \
       timerfd_gettime(gone(), &timer))                                                                         \
  CALL(inotify_add_watch, "used", inotify_add_watch(inotify_init(), "/", IN_CREATE),                            \
       inotify_add_watch(gone(), "/", IN_CREATE))                                                               \
  CALL(inotify_rm_watch, "used", inotify_rm_watch(inotify_init(), 1), inotify_rm_watch(gone(), 1))              \
  CALL(ioctl, "used", ioctl(full_pipe(), FIONREAD, room), ioctl(gone(), FIONREAD, room))
