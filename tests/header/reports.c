// Takes a report half-way, and is as if it had not.   reports [alone]: without a shim there is none
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fdaudit.h"

static void must(int is_so, const char* what) {
  if (is_so) return;
  fprintf(stderr, "%s\n", what);
  exit(1);
}

// The kernel's part of a mask: what libc keeps room for beyond it, nobody fills.
static int is_blocked_alike(const sigset_t* one, const sigset_t* other) {
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (sigismember(one, number) != sigismember(other, number)) return 0;
  }
  return 1;
}

static volatile sig_atomic_t children = 0;
static void on_child(int number) {
  (void)number;
  ++children;
}

int main(int argc, char** argv) {
  const int expected = argc > 1 && strcmp(argv[1], "alone") == 0 ? -1 : 0;
  signal(SIGCHLD, on_child);
  fdaudit_checkpoint("half way");
  int ends[2];
  must(pipe(ends) == 0, "pipe");
  sigset_t before, after;
  sigprocmask(SIG_BLOCK, NULL, &before);
  errno = EDOM;
  must(fdaudit_report_now("now.json") == expected, "now.json");
  must(fdaudit_report_now("now.txt") == expected, "now.txt");
  must(fdaudit_report_now("/nowhere/now.txt") == -1, "nowhere");
  must(errno == EDOM, "errno");
  sigprocmask(SIG_BLOCK, NULL, &after);
  must(is_blocked_alike(&before, &after), "the signal mask");
  must(wait(NULL) == -1 && errno == ECHILD && children == 0, "a child");
  int next = dup(0);
  must(next == ends[1] + 1, "the next number");
  close(next);
  close(ends[1]);
  struct pollfd reader = {ends[0], POLLIN, 0};
  must(poll(&reader, 1, 0) == 1 && (reader.revents & POLLHUP) != 0, "somebody holds the pipe");
  close(ends[0]);
  puts("reported");
  return 0;
}
