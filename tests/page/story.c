// A small story for the page: leaks, a wrong close, a full table, children that inherit.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int load(const char *name) { return open(name, O_RDONLY); }

static int mine, theirs;

static void culprit(int is_second_time) {
  if (!is_second_time) mine = open("/etc/passwd", O_RDONLY);
  close(mine);
}

static void victim(int is_at_end) {
  if (is_at_end) close(theirs);
  else theirs = open("/etc/hostname", O_RDONLY);
}

static void culprit_and_victim(void) {
  culprit(0);
  victim(0);
  culprit(1);
  victim(1);
}

static void children(void) {
  int kept = open("/etc/group", O_RDONLY);
  for (int i = 0; i < 3; ++i) {
    if (fork() == 0) {
      close(kept);
      _exit(0);
    }
  }
  while (wait(NULL) > 0) {
  }
  close(kept);
}

static void run_out(void) {
  struct rlimit limit = {64, 64};
  setrlimit(RLIMIT_NOFILE, &limit);
  while (load("/etc/hostname") >= 0) {
  }
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "hostile") == 0) {
    // Each becomes the name of a leaked file.
    for (int i = 2; i < argc; ++i) open(argv[i], O_RDWR | O_CREAT, 0600);
    return 0;
  }
  if (argc > 2 && strcmp(argv[1], "pairs") == 0) {
    for (long i = 0; i < atol(argv[2]); ++i) close(load("/etc/hostname"));
    load("/etc/hostname");
    return 0;
  }
  close(-1);
  if (argc > 1 && strcmp(argv[1], "wait") == 0) {
    for (int i = 0; i < 3; ++i) load("/etc/hostname");
    puts("ready");
    fflush(stdout);
    getchar();
    return 0;
  }
  culprit_and_victim();
  children();
  run_out();
  return 0;
}
