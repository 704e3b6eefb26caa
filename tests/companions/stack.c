// How much stack a call takes: a thread of 64 KB paints the stack below it, makes one call, and looks how far the paint
// is gone. "deepest": prints a line for each call. "tiny": makes all of them on stacks of 16 KB, the least there is.
#define _GNU_SOURCE 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
static char* const true_argv[] = {"true", NULL};
static void reap(pid_t pid) {
  int status;
  if (pid <= 0 || waitpid(pid, &status, 0) != pid || status != 0) abort();
}

static void do_open(void) { close(open("/dev/null", O_RDONLY)); }
static void do_first_open(void) { close(openat(AT_FDCWD, "/etc/../dev/null", O_RDWR)); }
static void do_dup2(void) { dup2(0, 90); dup3(0, 91, O_CLOEXEC); close(dup(90)); close(90); close(91); }
static void do_bad_close(void) { close(777); close(-1); }
static void do_double_close(void) { const int fd = dup(0); close(fd); close(fd); }
static void do_fcntl(void) { const int fd = fcntl(0, F_DUPFD_CLOEXEC, 60); fcntl(fd, F_SETFD, 0); close(fd); }
static void do_close_range(void) { dup2(0, 95); close_range(95, 99, 0); close_range(95, 99, CLOSE_RANGE_CLOEXEC); }
static void do_pipe(void) { int p[2]; if (pipe(p) == 0) { close(p[0]); close(p[1]); } }
static void do_socketpair(void) { int p[2]; if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0) { close(p[0]); close(p[1]); } }
static void do_socket(void) { close(socket(AF_INET, SOCK_STREAM, 0)); }
static void do_fopen(void) { fclose(fopen("/dev/null", "r")); }
static void do_opendir(void) { closedir(opendir("/proc/self/fd")); }
static void do_epoll(void) { const int e = epoll_create1(0); struct epoll_event ev = {.events = EPOLLIN}; epoll_ctl(e, EPOLL_CTL_ADD, 0, &ev); close(e); }
static void do_syscall(void) { syscall(SYS_close, (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY)); }
static void do_fork(void) { const pid_t pid = fork(); if (pid == 0) _exit(close(open("/dev/null", O_RDONLY))); reap(pid); }
static void do_vfork(void) { const pid_t pid = vfork(); if (pid == 0) { execv("/bin/true", true_argv); _exit(1); } reap(pid); }
static void do_exec(void) { const pid_t pid = fork(); if (pid == 0) { execve("/bin/true", true_argv, environ); _exit(1); } reap(pid); }
static void do_exec_cleared(void) { const pid_t pid = vfork(); if (pid == 0) { char* none[] = {NULL}; execve("/bin/true", true_argv, none); _exit(1); } reap(pid); }
static void do_exec_fails(void) { char* none[] = {NULL}; execve("/nowhere", true_argv, none); execl("/nowhere", "nowhere", (char*)NULL); }
static void do_spawn(void) { pid_t pid; if (posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, environ) == 0) reap(pid); }
static void do_spawnp(void) {
  pid_t pid; char* none[] = {NULL}; posix_spawn_file_actions_t a; posix_spawn_file_actions_init(&a);
  posix_spawn_file_actions_adddup2(&a, 0, 50);
  if (posix_spawnp(&pid, "true", &a, NULL, true_argv, none) == 0) reap(pid);
  posix_spawn_file_actions_destroy(&a);
}
static void do_popen(void) { FILE* f = popen("true", "r"); if (pclose(f) != 0) abort(); }
static void do_system(void) { if (system("true") != 0) abort(); }
static void do_recvmsg(void) {
  int p[2], fd; if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p)) abort();
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0}; struct iovec v = {&byte, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* c = CMSG_FIRSTHDR(&m); c->cmsg_level = SOL_SOCKET; c->cmsg_type = SCM_RIGHTS; c->cmsg_len = CMSG_LEN(sizeof(int)); memcpy(CMSG_DATA(c), p, sizeof(int));
  if (sendmsg(p[0], &m, 0) != 1 || recvmsg(p[1], &m, 0) != 1) abort();
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd); close(fd); close(p[0]); close(p[1]);
}

static const struct call { const char* name; void (*make)(void); } calls[] = {
#define CALL(name) {#name, do_##name}
    CALL(first_open), CALL(open), CALL(dup2), CALL(bad_close), CALL(double_close), CALL(fcntl), CALL(close_range), CALL(pipe),
    CALL(socketpair), CALL(socket), CALL(fopen), CALL(opendir), CALL(epoll), CALL(syscall), CALL(recvmsg), CALL(fork), CALL(vfork), CALL(exec),
    CALL(exec_cleared), CALL(exec_fails), CALL(spawn), CALL(spawnp), CALL(popen), CALL(system),
};
enum { kCalls = sizeof calls / sizeof *calls, kStack = 64 << 10 };

struct job { char* stack; const struct call* call; long used; };

static __attribute__((noinline)) void* measure(void* argument) {
  struct job* job = argument;
  char* here = __builtin_frame_address(0);
  char* end = here - 256;
  for (volatile uint64_t* word = (uint64_t*)job->stack; (char*)word < end; ++word) *word = 0x5a5a5a5a5a5a5a5a;
  job->call->make();
  const uint64_t* word = (const uint64_t*)job->stack;
  while (*word == 0x5a5a5a5a5a5a5a5a) ++word;
  job->used = here - (const char*)word;
  return NULL;
}
static void* all(void* unused) {
  for (int i = 0; i < kCalls; ++i) calls[i].make();
  return unused;
}

static void run(void* (*body)(void*), void* argument, char* stack, size_t size) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stack ? pthread_attr_setstack(&attributes, stack, size) : pthread_attr_setstacksize(&attributes, size)) abort();
  pthread_t thread;
  if (pthread_create(&thread, &attributes, body, argument) != 0 || pthread_join(thread, NULL) != 0) abort();
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "tiny") == 0) {
    for (int i = 0; i < 4; ++i) run(all, NULL, NULL, PTHREAD_STACK_MIN);
    puts("done");
    return 0;
  }
  char* stack = mmap(NULL, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < kCalls; ++i) {
    struct job job = {stack, &calls[i], 0};
    run(measure, &job, stack, kStack);
    printf("%s %ld\n", calls[i].name, job.used);
  }
  return 0;
}
