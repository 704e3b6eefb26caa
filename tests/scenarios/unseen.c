// What no recorded call opened or closed: system calls made by hand. It is coverage, reported with what it was.
#include "scenario.h"

#include <sys/syscall.h>

static long by_hand(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static void opened_by_hand(void) { MUST(by_hand(SYS_open, (long)"/dev/zero", O_RDONLY, 0) >= 3); }

static void closed_by_hand(void) {
  int fd = open("/dev/full", O_RDONLY);
  MUST(fd >= 3 && by_hand(SYS_close, fd, 0, 0) == 0);
}

int main(int argc, char** argv) {
  static const struct scenario kScenarios[] = {SCENARIO(opened_by_hand), SCENARIO(closed_by_hand), {NULL, NULL}};
  run_scenario(kScenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
