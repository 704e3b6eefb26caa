// Programs divided into processes and threads that hand descriptors on as they should: nothing of it is a finding.
#include "scenario.h"

#include <grp.h>
#include <pthread.h>
#include <sys/socket.h>

static void send_descriptor(int socket, int fd) {
  char byte = 'x';
  union {
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control = {{0}};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  control.header.cmsg_len = CMSG_LEN(sizeof fd);
  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  MUST(sendmsg(socket, &message, 0) == 1);
}

static int receive_descriptor(int socket) {
  char byte;
  int fd;
  union {
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control = {{0}};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  MUST(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1);
  memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
  return fd;
}

// --- privilege separation: the monitor opens what its child, in a cage, asks for

static void close_listed_but(int kept) {
  for (int fd = 3; fd < 64; ++fd) {
    if (fd != kept) close(fd);
  }
}
static void enter_cage(void) {
  if (geteuid() == 0) MUST(chroot("/var/empty") == 0 || chroot("/proc") == 0 || chroot("/") == 0);
  MUST(chdir("/") == 0);
  if (geteuid() == 0) MUST(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
}
static void work_in_cage(int monitor) {
  char line[16];
  close_listed_but(monitor);
  enter_cage();
  send_byte(monitor);
  int fd = receive_descriptor(monitor);
  MUST(read(fd, line, sizeof line) > 0 && close(fd) == 0 && close(monitor) == 0);
  _exit(0);
}
static void separated(void) {
  int ends[2], secret = open("/etc/hostname", O_RDONLY);
  MUST(secret >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  pid_t child = fork();
  if (child == 0) work_in_cage(ends[1]);
  MUST(close(ends[1]) == 0);
  await(ends[0]);
  int asked_for = open("/etc/passwd", O_RDONLY);
  send_descriptor(ends[0], asked_for);
  MUST(close(asked_for) == 0 && close(ends[0]) == 0 && close(secret) == 0);
  MUST(status_of(child) == 0);
}

// --- a zygote has everything open, and its children close what is not theirs

static void live(int listener, int log, int own_end, int other_end) {
  MUST(close(listener) == 0 && close(other_end) == 0 && write(log, "x", 1) == 1);
  int data = open("/etc/hostname", O_RDONLY);
  MUST(close(data) == 0);
  send_byte(own_end);
  _exit(0);
}
static void zygote(void) {
  int listener = socket(AF_UNIX, SOCK_STREAM, 0), log = open("/dev/null", O_WRONLY), ends[2];
  for (int i = 0; i < 3; ++i) {
    MUST(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) live(listener, log, ends[1], ends[0]);
    MUST(close(ends[1]) == 0);
    await(ends[0]);
    MUST(close(ends[0]) == 0 && status_of(child) == 0);
  }
  MUST(close(listener) == 0 && close(log) == 0);
}

// --- children sweep before they exec

static void become_true(void) {
  execl("/bin/true", "true", NULL);
  _exit(97);
}
static void swept_by_loop(void) {
  for (int fd = 3; fd < 256; ++fd) close(fd);
  become_true();
}
static void swept_by_range(void) {
  close_range(3, ~0U, 0);
  become_true();
}
static void marked_by_range(void) {
  close_range(3, ~0U, 4);  // CLOSE_RANGE_CLOEXEC
  become_true();
}
static void sweeps(void) {
  void (*const children[])(void) = {swept_by_loop, swept_by_range, marked_by_range};
  int fds[5];
  FILE* stream = fopen("/etc/hostname", "r");
  for (int i = 0; i < 5; ++i) fds[i] = open("/dev/null", O_RDONLY);
  for (int i = 0; i < 3; ++i) {
    pid_t child = fork();
    if (child == 0) children[i]();
    MUST(status_of(child) == 0);
  }
  pid_t child = vfork();
  if (child == 0) {
    close_range(3, ~0U, 0);
    execl("/bin/true", "true", NULL);
    _exit(97);
  }
  MUST(status_of(child) == 0);
  for (int i = 0; i < 5; ++i) MUST(close(fds[i]) == 0);
  fclose(stream);
}

// --- handed to another thread, which closes it once; the opener goes on with the number

static void* consume(void* fd) {
  char byte;
  MUST(read(*(int*)fd, &byte, 1) == 1 && close(*(int*)fd) == 0);
  return NULL;
}
static void handed_to_thread(void) {
  for (int i = 0; i < 3; ++i) {
    pthread_t thread;
    int fd = open("/etc/hostname", O_RDONLY);
    MUST(pthread_create(&thread, NULL, consume, &fd) == 0);
    pthread_join(thread, NULL);
    int other = open("/dev/null", O_RDONLY);
    MUST(other >= 0 && close(other) == 0);
  }
}

int main(int argc, char** argv) {
  static const struct scenario kScenarios[] = {SCENARIO(separated), SCENARIO(zygote), SCENARIO(sweeps),
                                               SCENARIO(handed_to_thread), {NULL, NULL}};
  run_scenario(kScenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
