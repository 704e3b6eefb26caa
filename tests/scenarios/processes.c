// Descriptors across fork, vfork, clone and exec.
#include "scenario.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

extern char** environ;
static const char* program;

static int open_it(void) {
  int fd = open("/dev/null", O_RDONLY);  // @opened
  MUST(fd >= 3);
  return fd;
}

static void leak_it(void) { MUST(open("/dev/zero", O_RDONLY) >= 3); }  // @leaked

// --- fork

static void leak_in_fork_child(void) {
  int fd = open_it();
  pid_t child = fork();
  if (child == 0) {
    leak_it();
    _exit(0);
  }
  MUST(status_of(child) == 0);
  close(fd);
}

// What the child inherited and left open is the parent's to answer for.
static void inherited_left_open(void) {
  int fd = open_it();
  pid_t child = fork();
  if (child == 0) exit(0);
  MUST(status_of(child) == 0);
  close(fd);
}

static void inherited_closed_in_child(void) {
  int fd = open_it();
  pid_t child = fork();
  if (child == 0) {
    close(fd);
    exit(0);
  }
  MUST(status_of(child) == 0);
  MUST(fcntl(fd, F_GETFD) == 0);
  close(fd);
}

static void leak_before_fork(void) {
  leak_it();
  pid_t child = fork();
  if (child == 0) exit(0);
  MUST(status_of(child) == 0);
}

static void grandchild_leaks(void) {
  pid_t child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      leak_it();
      exit(0);
    }
    MUST(status_of(grandchild) == 0);
    exit(0);
  }
  MUST(status_of(child) == 0);
}

// Closed by the child after its parent is gone.
static void child_outlives_parent(void) {
  int fd = open_it(), ends[2];
  MUST(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[1]);
    MUST(read(ends[0], &byte, 1) == 0);  // end of file: the parent is gone
    close(ends[0]);
    close(fd);
    _exit(0);
  }
  close(fd);
  close(ends[0]);
  close_range(ends[1], ends[1], 0);
  exit(0);
}

// --- vfork

static void vfork_exec(void) {
  int fd = open_it();
  pid_t child = vfork();
  if (child == 0) {
    execl("/bin/true", "true", (char*)NULL);
    _exit(127);
  }
  MUST(status_of(child) == 0);
  close(fd);
}

// In the parent's memory, but of another descriptor table.
#ifdef SYS_vfork
// libc's own syscall would return through a stack that the child has written over: this works under the shim alone.
static void vfork_by_number(void) {
  for (int i = 0; i < 3; ++i) {
    int fd = open_it();
    pid_t child = (pid_t)syscall(SYS_vfork);
    if (child == 0) {
      close(fd);
      execl("/bin/true", "true", NULL);
      _exit(98);
    }
    MUST(status_of(child) == 0 && fcntl(fd, F_GETFD) == 0);
    close(fd);
  }
  leak_it();
}
#else
static void vfork_by_number(void) { _exit(77); }
#endif

static void vfork_child_closes(void) {
  int fds[4];
  for (int i = 0; i < 4; ++i) fds[i] = open_it();
  pid_t child = vfork();
  if (child == 0) {
    close(fds[0]);
    dup2(fds[1], fds[2]);
    close_range(3, ~0U, 0);
    execl("/bin/true", "true", (char*)NULL);
    _exit(127);
  }
  MUST(status_of(child) == 0);
  for (int i = 0; i < 4; ++i) MUST(close(fds[i]) == 0);
}

static void vfork_exec_fails(void) {
  int fd = open_it();
  pid_t child = vfork();
  if (child == 0) {
    close(fd);
    execl("/nowhere/to/be/found", "x", (char*)NULL);
    _exit(7);
  }
  MUST(status_of(child) == 7);
  close(fd);
}

static void vfork_thousand_times(void) {
  for (int i = 0; i < 1000; ++i) {
    int fd = open_it();
    pid_t child = vfork();
    if (child == 0) {
      close(fd);
      _exit(0);
    }
    MUST(status_of(child) == 0);
    MUST(close(fd) == 0);
  }
}

static void vfork_then_leak(void) {
  pid_t child = vfork();
  if (child == 0) _exit(0);
  MUST(status_of(child) == 0);
  leak_it();
}

// --- clone

static void raw_clone(void) {
  int fd = open_it();
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    close(fd);
    leak_it();
    _exit(0);
  }
  MUST(status_of(child) == 0);
  MUST(close(fd) == 0);
}

static char clone_stack[64 * 1024] __attribute__((aligned(16)));

static int close_and_exec(void* fd) {
  close(*(int*)fd);
  close_range(3, ~0U, 0);
  execl("/bin/true", "true", (char*)NULL);
  _exit(127);
}

// What posix_spawn does: the parent's memory, its own table.
static void clone_vm_vfork(void) {
  int fd = open_it();
  pid_t child = clone(close_and_exec, clone_stack + sizeof clone_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &fd);
  MUST(child > 0 && status_of(child) == 0);
  MUST(close(fd) == 0);
}

static int close_it(void* fd) {
  close(*(int*)fd);
  _exit(0);
}

// A table shared with another process: its closes are this one's.
static void clone_shared_table(void) {
  int fd = open_it();
  pid_t child = clone(close_it, clone_stack + sizeof clone_stack, CLONE_FILES | SIGCHLD, &fd);
  MUST(child > 0 && status_of(child) == 0);
  MUST(fcntl(fd, F_GETFD) == -1);
}

// --- exec: the program is its own next image

static void next(const char* name) {
  execl(program, program, name, (char*)NULL);
  MUST(!"exec");
}

static void close_on_exec(void) {
  MUST(open("/dev/null", O_RDONLY | O_CLOEXEC) == 3);
  MUST(fcntl(open_it(), F_SETFD, FD_CLOEXEC) == 0);
  next("stage_empty");
}
static void stage_empty(void) { MUST(fcntl(3, F_GETFD) == -1 && fcntl(4, F_GETFD) == -1); }

static void handed_through_exec(void) {
  MUST(dup2(open_it(), 30) == 30);
  close(3);
  next("stage_closes_30");
}
static void stage_closes_30(void) { MUST(close(30) == 0); }

// poll(2) says of O_PATH descriptors that they are closed.
static void path_in_fork_child(void) {
  MUST(open("/", O_PATH) == 3);
  pid_t child = fork();
  if (child == 0) _exit(close(3));
  MUST(status_of(child) == 0);
  MUST(close(3) == 0);
}

static void path_through_exec(void) {
  MUST(open("/", O_PATH) == 3 && open("/", O_PATH) == 4);
  next("stage_closes_3_and_4");
}
static void stage_closes_3_and_4(void) { MUST(close(3) == 0 && close(4) == 0); }

static void leak_path(void) { MUST(open("/", O_PATH) >= 0); }  // @path

static void exec_chain(void) {
  MUST(dup2(open_it(), 30) == 30);
  close(3);
  next("stage_passes_on");
}
static void stage_passes_on(void) {
  int fd = open_it();
  MUST(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
  next("stage_closes_30");
}

static void leak_after_exec(void) { next("stage_leaks"); }
static void stage_leaks(void) { leak_it(); }

static void exec_fails(void) {
  int fd = open_it();
  MUST(execl("/nowhere/to/be/found", "x", (char*)NULL) == -1 && errno == ENOENT);
  leak_it();
  close(fd);
}

// The environment of the next image is empty, and it is audited all the same.
static void cleared_environment(void) {
  char* const arguments[] = {(char*)program, "stage_leaks", NULL};
  char* const nothing[] = {NULL};
  execve(program, arguments, nothing);
  MUST(!"exec");
}

static void environ_cleared_in_place(void) {
  clearenv();
  char* const arguments[] = {(char*)program, "stage_leaks", NULL};
  execv(program, arguments);
  MUST(!"exec");
}

// A thousand forks fail; the children that come then are reported, and none that never was.
static void forks_fail(void) {
  struct rlimit old;
  if (geteuid() == 0) MUST(setreuid(65534, 65534) == 0);
  MUST(getrlimit(RLIMIT_NPROC, &old) == 0);
  struct rlimit none = {0, old.rlim_max};
  MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
  for (int i = 0; i < 1000; ++i) MUST(fork() < 0);
  MUST(setrlimit(RLIMIT_NPROC, &old) == 0);
  pid_t child = fork();
  if (child == 0) _exit(0);
  MUST(status_of(child) == 0);
}

static const struct scenario kCases[] = {SCENARIO(leak_in_fork_child),
                                         SCENARIO(inherited_left_open),
                                         SCENARIO(inherited_closed_in_child),
                                         SCENARIO(leak_before_fork),
                                         SCENARIO(grandchild_leaks),
                                         SCENARIO(child_outlives_parent),
                                         SCENARIO(vfork_exec),
                                         SCENARIO(vfork_child_closes),
                                         SCENARIO(vfork_exec_fails),
                                         SCENARIO(vfork_thousand_times),
                                         SCENARIO(vfork_then_leak),
                                         SCENARIO(raw_clone),
                                         SCENARIO(clone_vm_vfork),
                                         SCENARIO(clone_shared_table),
                                         SCENARIO(close_on_exec),
                                         SCENARIO(stage_empty),
                                         SCENARIO(handed_through_exec),
                                         SCENARIO(stage_closes_30),
                                         SCENARIO(path_in_fork_child),
                                         SCENARIO(path_through_exec),
                                         SCENARIO(stage_closes_3_and_4),
                                         SCENARIO(leak_path),
                                         SCENARIO(vfork_by_number),
                                         SCENARIO(exec_chain),
                                         SCENARIO(stage_passes_on),
                                         SCENARIO(leak_after_exec),
                                         SCENARIO(stage_leaks),
                                         SCENARIO(exec_fails),
                                         SCENARIO(forks_fail),
                                         SCENARIO(cleared_environment),
                                         SCENARIO(environ_cleared_in_place),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  program = argv[0];
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
