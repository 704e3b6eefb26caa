// Killed in the middle of its work: what was recorded until then is in the trace.
#include "scenario.h"

#include <signal.h>

static void leave_three_open(void) {
  int fds[5];
  for (int i = 0; i < 5; ++i) MUST((fds[i] = open("/dev/null", O_RDONLY)) >= 0);  // @opened
  close(fds[1]);
  close(fds[3]);
}

static void close_twice(void) {
  int fd = open("/dev/zero", O_RDONLY);  // @opened-once
  close(fd);                             // @closed
  close(fd);                             // @again
}

// A child reports that it has done its share, and is killed.
static void child(void) {
  int ready[2];
  MUST(pipe(ready) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    leave_three_open();
    close_twice();
    send_byte(ready[1]);
    for (;;) pause();
  }
  await(ready[0]);
  kill(pid, SIGKILL);
  MUST(status_of(pid) == 128 + SIGKILL);
  close(ready[0]);
  close(ready[1]);
}

static void itself(void) {
  leave_three_open();
  close_twice();
  kill(getpid(), SIGKILL);
}

// Killed at any moment of an endless churn: the trace is readable and holds what was before it.
static void in_full_swing(void) {
  int ready[2];
  MUST(pipe(ready) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    close_twice();
    for (int i = 0;; ++i) {
      int fd = open("/dev/null", O_RDONLY);
      MUST(fd >= 0 && close(fd) == 0);
      if (i == 1000) send_byte(ready[1]);
    }
  }
  await(ready[0]);
  kill(pid, SIGKILL);
  MUST(status_of(pid) == 128 + SIGKILL);
  close(ready[0]);
  close(ready[1]);
}

static void crashes(void) {
  close_twice();
  raise(SIGSEGV);
}

static const struct scenario kCases[] = {SCENARIO(child), SCENARIO(itself), SCENARIO(in_full_swing),
                                         SCENARIO(crashes), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
