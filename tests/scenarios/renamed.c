// Files that have another name at the end than when they were opened: a rotated log, an atomically replaced file. They
// are what was opened; but a number that was closed and opened again by hand is not.
#include "scenario.h"

#include <sys/syscall.h>

static void make(const char* name) {
  int fd = creat(name, 0600);
  MUST(fd >= 0 && close(fd) == 0);
}

static int opened(const char* name) {
  int fd = open(name, O_RDONLY);  // @opened
  MUST(fd >= 0);
  return fd;
}

static void rotated(void) {
  make("log");
  opened("log");
  MUST(rename("log", "log.1") == 0);
  make("log");
}

static void replaced(void) {
  make("state");
  opened("state");
  make("state.new");
  MUST(rename("state.new", "state") == 0);
}

static void removed_and_made_again(void) {
  make("lock");
  opened("lock");
  MUST(unlink("lock") == 0);
  make("lock");
}

static void link_switched(void) {
  make("version-1");
  make("version-2");
  MUST(symlink("version-1", "current") == 0);
  opened("current");
  MUST(unlink("current") == 0 && symlink("version-2", "current") == 0);
}

static long by_hand(long number, long a, long b) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}

static void reopened_by_hand(void) {
  int fd = opened("/etc/passwd");
  MUST(by_hand(SYS_close, fd, 0) == 0 && by_hand(SYS_open, (long)"/etc/group", O_RDONLY) == fd);
}

// Only the number's present file is new.
static void reopened_on_a_new_file(void) {
  int fd = opened("/etc/passwd");
  make("new");
  MUST(by_hand(SYS_close, fd, 0) == 0 && by_hand(SYS_open, (long)"new", O_RDONLY) == fd);
}

int main(int argc, char** argv) {
  static const struct scenario kScenarios[] = {SCENARIO(rotated),          SCENARIO(replaced),
                                               SCENARIO(link_switched),    SCENARIO(removed_and_made_again),
                                               SCENARIO(reopened_by_hand), SCENARIO(reopened_on_a_new_file),
                                               {NULL, NULL}};
  run_scenario(kScenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
