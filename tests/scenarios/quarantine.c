// quarantine=1: closed numbers rest, so that what is stale meets EBADF; and what must stay as usual. Without it, most of
// these would end with status 99.
#include "scenario.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pty.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int open_null(void) { return open("/dev/null", O_RDWR | O_CLOEXEC); }

// A number that rests from now on, and that the kernel would hand out next.
static int rested(void) {
  int fd = open_null();
  MUST(fd > 2 && close(fd) == 0);
  return fd;
}

// --- what it is for

static int session_number;
static void end_session(void) { close(session_number); }  // @session-closed
static int open_log(void) { return open("log", O_CREAT | O_RDWR, 0600); }

static void stale_close(void) {
  session_number = socket(AF_UNIX, SOCK_STREAM, 0);  // @session
  end_session();
  int log = open_log();
  end_session();  // the log's, if it had been given the number
  MUST(log != session_number && write(log, "line\n", 5) == 5 && close(log) == 0);
}

static void stale_use(void) {
  int fd = open("data", O_CREAT | O_RDWR, 0600);  // @data
  close(fd);                                      // @data-closed
  int log = open_log();
  MUST(write(fd, "data\n", 5) == -1);  // @data-used
  MUST(lseek(log, 0, SEEK_END) == 0 && close(log) == 0);
}

// With quarantine=4, five numbers take turns.
static void oldest_first(void) {
  int first = 0;
  for (int i = 0; i < 12; ++i) {
    int fd = open_null();
    if (i == 0) first = fd;
    printf("%d ", fd - first);
    close(fd);
  }
}

// --- who is moved

static void must_work(int fd, int resting, int close_on_exec) {
  MUST(fd > resting && fcntl(resting, F_GETFD) == -1 && fcntl(fd, F_GETFD) == (close_on_exec ? FD_CLOEXEC : 0));
}
static void must_work_as_pair(const int* fds, int resting) {
  must_work(fds[0], resting, 0);
  must_work(fds[1], resting, 0);
  send_byte(fds[1]);
  await(fds[0]);
  MUST(close(fds[0]) == 0 && close(fds[1]) == 0);
}

static void all_kinds(void) {
  int resting = rested(), fds[2], terminal[2];
  for (int close_on_exec = 0; close_on_exec < 2; ++close_on_exec) {
    int flag = close_on_exec ? O_CLOEXEC : 0;
    int made[] = {
        open("/dev/null", O_RDONLY | flag),
        open(".", O_PATH | flag),
        open("/proc/self/fd", O_DIRECTORY | flag),
        socket(AF_UNIX, SOCK_STREAM | flag, 0),
        eventfd(0, flag),
        epoll_create1(flag),
        memfd_create("memory", close_on_exec ? MFD_CLOEXEC : 0),
        fcntl(0, close_on_exec ? F_DUPFD_CLOEXEC : F_DUPFD, 3),
        (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | flag),
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; ++i) must_work(made[i], resting, close_on_exec);
    for (size_t i = 0; i < sizeof made / sizeof *made; ++i) MUST(close(made[i]) == 0);
  }
  int copy = dup(0);
  must_work(copy, resting, 0);
  close(copy);
  MUST(pipe(fds) == 0);
  must_work_as_pair(fds, resting);
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  must_work_as_pair(fds, resting);
  MUST(openpty(&terminal[0], &terminal[1], NULL, NULL, NULL) == 0);
  must_work(terminal[0], resting, 0);
  must_work(terminal[1], resting, 0);
  MUST(write(terminal[0], "x\n", 2) == 2);
  await(terminal[1]);
  MUST(close(terminal[0]) == 0 && close(terminal[1]) == 0);
}

static void accepted(void) {
  struct sockaddr address = {.sa_family = AF_UNIX};
  socklen_t size = sizeof address;
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(bind(server, &address, sizeof(sa_family_t)) == 0 && listen(server, 1) == 0);
  struct sockaddr_un_room {
    sa_family_t family;
    char path[108];
  } name;
  socklen_t length = sizeof name;
  MUST(getsockname(server, (struct sockaddr*)&name, &length) == 0);
  MUST(connect(client, (struct sockaddr*)&name, length) == 0);
  int resting = rested();
  int peer = accept(server, &address, &size);
  must_work(peer, resting, 0);
  send_byte(client);
  await(peer);
  close(peer);
  close(client);
  close(server);
}

// Both descriptors of a message, of which the program learns by the message alone.
static void received(void) {
  int fds[2], ends[2];
  char byte = 'x';
  union {
    char room[CMSG_SPACE(2 * sizeof(int))];
    struct cmsghdr header;
  } control = {{0}};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0 && pipe(ends) == 0);
  control.header.cmsg_len = CMSG_LEN(sizeof ends);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(&control.header), ends, sizeof ends);
  MUST(sendmsg(fds[0], &message, 0) == 1);
  MUST(close(ends[0]) == 0 && close(ends[1]) == 0);
  memset(&control, 0, sizeof control);
  message.msg_controllen = sizeof control;
  MUST(recvmsg(fds[1], &message, 0) == 1);
  int resting = ends[1];
  memcpy(ends, CMSG_DATA(&control.header), sizeof ends);
  must_work_as_pair(ends, resting);
  close(fds[0]);
  close(fds[1]);
}

// A child of fork has its parent's stale numbers; a program that was exec'd has none.
static void children(void) {
  int resting = rested();
  pid_t child = fork();
  if (child == 0) {
    int fd = open_null();
    _exit(fd > resting && close(fd) == 0 ? 0 : 98);
  }
  MUST(status_of(child) == 0);
  child = vfork();
  if (child == 0) {
    execl("/proc/self/exe", "quarantine", "first_number", NULL);
    _exit(97);
  }
  MUST(status_of(child) == resting);
}
static void first_number(void) { _exit(open_null()); }

// A vfork child's numbers are its own.
static void vfork_child(void) {
  int fds[2], resting = rested();
  MUST(pipe(fds) == 0);
  pid_t child = vfork();
  if (child == 0) {
    int fd = dup(0);
    close(fds[0]);
    _exit(fd == resting && close(fd) == 0 ? 0 : 98);
  }
  MUST(status_of(child) == 0);
  int fd = open_null();
  must_work(fd, resting, 1);
  MUST(close(fd) == 0 && close(fds[0]) == 0 && close(fds[1]) == 0);
}

// --- who is not

static void standard_numbers(void) {
  for (int fd = 0; fd < 2; ++fd) {
    MUST(close(fd) == 0 && open("/dev/null", O_RDWR) == fd);
    MUST(close(fd) == 0 && dup(2) == fd);
  }
}

// A number that is asked for, and is somebody's then.
static void asked_for(void) {
  int resting = rested(), fd = open_null();
  MUST(dup2(fd, resting) == resting && write(resting, "x", 1) == 1 && close(resting) == 0);
  MUST(dup3(fd, resting, O_CLOEXEC) == resting && close(resting) == 0);
  MUST(close(fd) == 0);
}

static void streams_stay(void) {
  int resting = rested();
  FILE* file = fopen("log", "w+");
  MUST(file && fileno(file) == resting);
  MUST(fputs("line\n", file) >= 0 && fclose(file) == 0);
}

// A process loses its record locks with the first descriptor of the file that it closes, a duplicate included.
static int is_locked(const char* name) {
  pid_t child = fork();
  if (child == 0) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(name, O_RDWR);
    MUST(fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0);
    _exit(lock.l_type != F_UNLCK);
  }
  return status_of(child);
}
static void locks_stay(void) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 1};
  int locked = open("db", O_CREAT | O_RDWR, 0600);
  MUST(locked >= 0 && fcntl(locked, F_SETLK, &lock) == 0);
  int resting = rested();
  int again = open("db", O_RDONLY);
  MUST(again == resting && is_locked("db"));
  int other = rested();
  int copy = dup(locked);
  MUST(copy == other && is_locked("db"));
  MUST(close(copy) == 0 && !is_locked("db"));
  MUST(close(again) == 0 && close(locked) == 0);
}

// The whole table can be used, and select's numbers stay select's.
static void full_table(void) {
  struct rlimit limit = {16, 16};
  int fds[16], count = 0;
  MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  int first = open_null();
  fds[count++] = first;
  while ((fds[count] = open_null()) >= 0) ++count;
  MUST(errno == EMFILE && count == 16 - first);
  for (int i = 0; i < count; ++i) MUST(close(fds[i]) == 0);
  for (int i = 0; i < count; ++i) MUST((fds[i] = open_null()) >= 0);
  MUST(open_null() == -1 && errno == EMFILE);
  for (int i = 0; i < count; ++i) MUST(close(fds[i]) == 0);
}

static void selectable(void) {
  struct rlimit limit = {2048, 2048};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(77);
  int resting = rested(), fd;
  MUST(fcntl(0, F_DUPFD, FD_SETSIZE) == FD_SETSIZE);
  for (fd = resting + 1; fd < FD_SETSIZE; ++fd) MUST(dup2(0, fd) == fd);
  MUST(open_null() == resting);
  close_range(3, ~0U, 0);
}

static void sandboxed(void) {
  int resting = rested();
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  // A filter that forbids nothing, as nobody but its author knows.
  struct sock_filter everything = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const struct sock_fprog filter = {1, &everything};
  MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
  MUST(open_null() == resting && close(resting) == 0);
}

// --- many at once

static void* churn(void* unused) {
  for (int i = 0; i < 3000; ++i) {
    int fds[2];
    MUST(pipe(fds) == 0);
    send_byte(fds[1]);
    await(fds[0]);
    MUST(close(fds[0]) == 0 && close(fds[1]) == 0);
  }
  return unused;
}
static void threads(void) {
  pthread_t others[3];
  for (int i = 0; i < 3; ++i) MUST(pthread_create(&others[i], NULL, churn, NULL) == 0);
  churn(NULL);
  for (int i = 0; i < 3; ++i) pthread_join(others[i], NULL);
}

int main(int argc, char** argv) {
  static const struct scenario kScenarios[] = {
      SCENARIO(stale_close), SCENARIO(stale_use),        SCENARIO(oldest_first), SCENARIO(all_kinds),
      SCENARIO(accepted),    SCENARIO(received),         SCENARIO(children),     SCENARIO(first_number),
      SCENARIO(vfork_child), SCENARIO(standard_numbers), SCENARIO(asked_for),    SCENARIO(streams_stay),
      SCENARIO(locks_stay),  SCENARIO(full_table),       SCENARIO(selectable),   SCENARIO(sandboxed),
      SCENARIO(threads),     {NULL, NULL}};
  run_scenario(kScenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
