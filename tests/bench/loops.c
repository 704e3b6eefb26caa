// The loops of the benchmark: a program that measures itself and prints nanoseconds for one operation.
//
//   loops NAME DEPTH COUNT          the operation NAME, DEPTH calls below main, over three call paths in turn
//   loops NAME DEPTH COUNT twice    … and in the end one descriptor closed twice, so that the report shows both stacks
//
// The three paths have no function in common between main and the operation: a walk that remembers the last stack finds
// nothing of it again, but for what the operation itself does twice.
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef void operation(void);

static void fail(const char* what) {
  perror(what);
  exit(99);
}

static void open_close(void) {
  int fd = open("/dev/null", O_RDONLY);
  if (fd < 0 || close(fd) != 0) fail("open");
}

static void dup_close(void) {
  int fd = dup(0);
  if (fd < 0 || close(fd) != 0) fail("dup");
}

static void pair_close(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || close(ends[0]) != 0 || close(ends[1]) != 0) fail("socketpair");
}

static void fopen_fclose(void) {
  FILE* file = fopen("/dev/null", "r");
  if (!file || fclose(file) != 0) fail("fopen");
}

static void fork_wait(void) {
  int status;
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail("fork");
}

// A connection over loopback: made, accepted, both ends closed. The client's end is reset, so that no port stays taken.
static void accept_close(void) {
  static int listener = -1;
  static struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  if (listener < 0) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr*)&address, &size) != 0)
      fail("listen");
  }
  const struct linger reset = {1, 0};
  struct sockaddr_in from;
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) != 0 ||
      connect(client, (struct sockaddr*)&address, sizeof address) != 0)
    fail("connect");
  size = sizeof from;
  int fd = accept4(listener, (struct sockaddr*)&from, &size, SOCK_CLOEXEC);
  if (fd < 0 || close(client) != 0 || close(fd) != 0) fail("accept4");
}

// A descriptor sent to ourselves, received and closed.
static void receive_close(void) {
  static int ends[2] = {-1, -1};
  static int sent;
  if (ends[0] < 0 && (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0 || (sent = open("/dev/null", O_RDONLY)) < 0))
    fail("socketpair");
  char byte = 'x';
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(header), &sent, sizeof sent);
  if (sendmsg(ends[0], &message, 0) != 1 || recvmsg(ends[1], &message, 0) != 1) fail("recvmsg");
  int fd;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  if (close(fd) != 0) fail("close");
}

// A message without descriptors.
static void send_receive(void) {
  static int ends[2] = {-1, -1};
  if (ends[0] < 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) fail("socketpair");
  char byte = 'x';
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  if (sendmsg(ends[0], &message, 0) != 1 || recvmsg(ends[1], &message, 0) != 1) fail("recvmsg");
}

// One byte through a pipe: the least that reading and writing can cost.
static int pipe_ends[2] = {-1, -1};
static void write_read(void) {
  char byte = 'x';
  if (pipe_ends[0] < 0 && pipe(pipe_ends) != 0) fail("pipe");
  if (write(pipe_ends[1], &byte, 1) != 1 || read(pipe_ends[0], &byte, 1) != 1) fail("write");
}

// The same in a process that has forked, where ends that are written to and reads that wait are noted.
static void write_read_forked(void) {
  static pid_t child = -1;
  if (pipe_ends[0] < 0 && pipe(pipe_ends) != 0) fail("pipe");
  if (child < 0 && (child = fork()) == 0) _exit(0);
  write_read();
}

static void spawn_wait(void) {
  static char* arguments[] = {"true", NULL};
  extern char** environ;
  int status;
  pid_t child;
  if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != 0 || waitpid(child, &status, 0) != child ||
      status != 0)
    fail("posix_spawn");
}

static void epoll_add_delete(void) {
  static int set = -1, ends[2];
  if (set < 0 && ((set = epoll_create1(0)) < 0 || pipe(ends) != 0)) fail("epoll");
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) != 0 || epoll_ctl(set, EPOLL_CTL_DEL, ends[0], NULL) != 0)
    fail("epoll_ctl");
}

static void close_twice(void) {
  int fd = open("/dev/zero", O_RDONLY);
  close(fd);
  close(fd);
}

#define PATH(name)                                                        \
  static __attribute__((noinline)) void name(int depth, operation* run) { \
    if (depth > 1) {                                                      \
      name(depth - 1, run);                                               \
    } else {                                                              \
      run();                                                              \
    }                                                                     \
    __asm__ volatile("" ::: "memory"); /* no tail call */                 \
  }
PATH(path_a)
PATH(path_b)
PATH(path_c)

static operation* chosen;
static int depth;
static long count;

static void* repeat(void* unused) {
  for (long i = 0; i < count; i += 3) {
    path_a(depth, chosen);
    path_b(depth, chosen);
    path_c(depth, chosen);
  }
  return unused;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/// Nanoseconds for one operation, over `count` of them in each thread.
static double measure(int threads) {
  pthread_t running[2];
  double begin = now();
  if (threads == 1) {
    repeat(NULL);
  } else {
    for (int t = 0; t < 2; ++t) pthread_create(&running[t], NULL, repeat, NULL);
    for (int t = 0; t < 2; ++t) pthread_join(running[t], NULL);
  }
  return (now() - begin) / (double)count;
}

static int compare(const void* a, const void* b) {
  double difference = *(const double*)a - *(const double*)b;
  return (difference > 0) - (difference < 0);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    operation* run;
    int threads;
  } kLoops[] = {{"open_close", open_close, 1}, {"dup_close", dup_close, 1}, {"socketpair", pair_close, 1},
                {"fopen_fclose", fopen_fclose, 1}, {"fork_wait", fork_wait, 1}, {"two_threads", open_close, 2},
                {"accept_close", accept_close, 1}, {"receive_close", receive_close, 1}, {"send_receive", send_receive, 1},
                {"spawn_wait", spawn_wait, 1}, {"epoll", epoll_add_delete, 1},
                {"write_read", write_read, 1}, {"write_read_forked", write_read_forked, 1}};
  if (argc < 4) return 98;
  depth = atoi(argv[2]);
  count = atol(argv[3]);
  for (size_t i = 0; i < sizeof kLoops / sizeof *kLoops; ++i) {
    if (strcmp(argv[1], kLoops[i].name) != 0) continue;
    chosen = kLoops[i].run;
    long wanted = count;
    count = wanted / 20 + 3;  // warm up
    repeat(NULL);
    // The median of slices: what other programs do on this machine meanwhile falls upon some of them.
    enum { kSlices = 15 };
    double slices[kSlices];
    count = wanted / kSlices + 3;
    for (int s = 0; s < kSlices; ++s) slices[s] = measure(kLoops[i].threads);
    qsort(slices, kSlices, sizeof *slices, compare);
    printf("%.1f\n", slices[kSlices / 2]);
    if (argc > 4) path_a(depth, close_twice);
    return 0;
  }
  return 98;
}
