// Uses of numbers that were never open here, or that are open, but not for this; and what only asks.
#include "scenario.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

static char byte;

// --- never open ------------------------------------------------------------------------------------------------------

static void never_written(void) { MUST(write(77, "x", 1) == -1); }  // @never-written
// Which numbers are open is asked for a range of them at a time.
static void range_polled(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(fd >= 0 && close(fd) == 0);
  struct pollfd entries[64];
  for (int i = 0; i < 64; ++i) entries[i] = (struct pollfd){i, POLLIN | POLLOUT, 0};
  MUST(poll(entries, 64, 0) > 32 && (entries[fd].revents & POLLNVAL) != 0);
  MUST(poll(entries, (nfds_t)fd + 1, 0) > 0 && (entries[fd].revents & POLLNVAL) != 0);
  MUST(poll(entries + fd, 20, 0) > 10 && (entries[fd].revents & POLLNVAL) != 0);
}

static void never_polled(void) {
  struct pollfd entry = {77, POLLIN, 0};
  for (int i = 0; i < 10; ++i) MUST(poll(&entry, 1, -1) == 1);  // @never-polled
}
static void never_selected(void) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(0, &set);
  FD_SET(50, &set);                                // the kernel looks at no more bits than its table is long
  MUST(select(51, NULL, &set, NULL, NULL) == -1);  // @never-selected
}
static void never_watched(void) {
  int set = epoll_create1(EPOLL_CLOEXEC);
  MUST(epoll_ctl(set, EPOLL_CTL_ADD, 77, &(struct epoll_event){.events = EPOLLIN}) == -1);  // @never-watched
  close(set);
}
static void never_by_number(void) { MUST(syscall(SYS_read, 77, &byte, 1) == -1); }  // @never-by-number
static void never_copied(void) { MUST(dup2(77, 78) == -1); }                        // @never-copied
static void unchecked(void) {
  int fd = open("/no/such/file", O_RDONLY | O_CLOEXEC);
  MUST(read(fd, &byte, 1) == -1);  // @unchecked
}
static void copied_to_none(void) { MUST(dup2(0, -1) == -1); }  // @copied-to-none

// --- open, but not for this ------------------------------------------------------------------------------------------

static void written_read_only(void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);  // @read-only
  MUST(write(fd, "x", 1) == -1);                     // @written
  close(fd);
}
static void read_from_write_end(void) {
  int ends[2];
  MUST(pipe2(ends, O_CLOEXEC) == 0);
  MUST(read(ends[1], &byte, 1) == -1);  // @read-from-write-end
  close(ends[0]);
  close(ends[1]);
}
// One of two: the kernel says which.
static void copied_into_read_only(void) {
  int from = open("/etc/passwd", O_RDONLY | O_CLOEXEC), to = open("/dev/null", O_RDONLY | O_CLOEXEC);  // @copy-target
  MUST(syscall(SYS_sendfile, to, from, NULL, 1) == -1);                                                // @copied
  close(from);
  close(to);
}

// --- somebody else's by now
// --------------------------------------------------------------------------------------------

static int kept;
static __attribute__((noinline)) void log_begin(void) { kept = open("/dev/null", O_RDWR | O_CLOEXEC); }  // @log-opened
static __attribute__((noinline)) void log_end(void) { close(kept); }                                     // @log-closed
static __attribute__((noinline)) void log_line(void) { MUST(write(kept, "x", 1) == -1); }                // @log-line
static __attribute__((noinline)) int config_open(void) { return open("/etc/passwd", O_RDONLY | O_CLOEXEC); }

static void stale_write(void) {
  log_begin();
  log_end();
  int config = config_open();
  MUST(config == kept);
  log_line();
  close(config);
}
// The file that is there now is the writer's own: its mistake is the mode.
static __attribute__((noinline)) void write_what_it_opened(void) {
  int config = open("/etc/passwd", O_RDONLY | O_CLOEXEC);  // @own-opened
  MUST(write(config, "x", 1) == -1);                       // @own-written
  close(config);
}
static void own_mode(void) {
  log_begin();
  log_end();
  write_what_it_opened();
}
static __attribute__((noinline)) void peer_begin(void) { kept = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
static __attribute__((noinline)) void peer_end(void) { close(kept); }                         // @peer-closed
static __attribute__((noinline)) void peer_line(void) { MUST(send(kept, "x", 1, 0) == -1); }  // @peer-line
static void stale_send(void) {
  peer_begin();
  peer_end();
  int config = config_open();
  MUST(config == kept);
  peer_line();
  close(config);
}
// What many do to learn what they have.
static void asks_for_socket(void) {
  int fd = config_open(), type;
  socklen_t size = sizeof type;
  MUST(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == -1 && errno == ENOTSOCK);
  close(fd);
}

// --- questions -------------------------------------------------------------------------------------------------------

static int is_closed(int fd) {
  struct pollfd entry = {fd, 0, 0};
  struct stat about;
  struct statx more;
  struct termios settings;
  int size = 0;
  errno = 0;
  return poll(&entry, 1, 0) == 1 && (entry.revents & POLLNVAL) && fcntl(fd, F_GETFD) == -1 &&
         fcntl(fd, F_GETFL) == -1 && fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 && fcntl(fd, F_DUPFD, 0) == -1 &&
         dup(fd) == -1 && dup2(fd, fd) == -1 && fstat(fd, &about) == -1 && isatty(fd) == 0 &&
         tcgetattr(fd, &settings) == -1 && tcgetpgrp(fd) == -1 && ioctl(fd, TIOCGWINSZ, &size) == -1 &&
         ioctl(fd, FIOCLEX) == -1 && lseek(fd, 0, SEEK_CUR) == -1 && write(fd, "", 0) == -1 &&
         read(fd, &byte, 0) == -1 && ttyname(fd) == NULL && fstatat(fd, "", &about, AT_EMPTY_PATH) == -1 &&
         statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &more) == -1 && syscall(SYS_write, fd, "", 0) == -1 &&
         syscall(SYS_lseek, fd, 0, SEEK_CUR) == -1;
}
static void asked(void) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  MUST(!is_closed(fd));
  close(fd);
  MUST(is_closed(fd));
  MUST(is_closed(77));
}
// Number after number, open or not.
static void asked_all(void) {
  int fd = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 40);
  close(fd);
  for (int number = 20; number < 60; ++number) {
    int type;
    socklen_t size = sizeof type;
    MUST(getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == -1);
  }
}
static void no_entry(void) {
  struct pollfd entries[] = {{-1, POLLIN, 0}, {0, 0, 0}};
  MUST(poll(entries, 2, 0) >= 0);
}
// They may have been opened where nobody saw it.
static void unseen(void) {
  long fd = -1;
  while (fd < 40) __asm__ volatile("syscall" : "=a"(fd) : "a"(SYS_dup), "D"(0) : "rcx", "r11", "memory");
  MUST(write((int)fd, "x", 1) == 1 || errno == EBADF);
}

int main(int argc, char** argv) {
  static const struct scenario kCases[] = {SCENARIO(never_written),
                                           SCENARIO(range_polled), SCENARIO(never_polled),
                                           SCENARIO(never_selected),
                                           SCENARIO(never_watched),
                                           SCENARIO(never_by_number),
                                           SCENARIO(never_copied),
                                           SCENARIO(unchecked),
                                           SCENARIO(copied_to_none),
                                           SCENARIO(written_read_only),
                                           SCENARIO(read_from_write_end),
                                           SCENARIO(copied_into_read_only),
                                           SCENARIO(stale_write),
                                           SCENARIO(own_mode),
                                           SCENARIO(stale_send),
                                           SCENARIO(asks_for_socket),
                                           SCENARIO(asked),
                                           SCENARIO(asked_all),
                                           SCENARIO(no_entry),
                                           SCENARIO(unseen),
                                           {NULL, NULL}};
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
