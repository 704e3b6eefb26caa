// Numbers that were never open here.
#include "scenario.h"

#include <limits.h>
#include <sys/syscall.h>

static void close_it(int fd) { MUST(close(fd) == -1 && errno == EBADF); }  // @close

static void never_open(void) { close_it(777); }
static void minus_one(void) { close_it(-1); }
static void largest(void) { close_it(INT_MAX); }
static void minus_one_often(void) {
  for (int i = 0; i < 50; ++i) close_it(-1);
}

// dup(2) around libc: nobody can see it.
static int unseen_dup(int fd) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_dup), "D"(fd) : "rcx", "r11", "memory");
  MUST(result >= 0);
  return (int)result;
}

// The close before closed what nobody saw opened. So "never open here" is not true, and the close that is on record is
// not the first of the two.
static void unseen_reopened(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(close(fd) == 0);
  MUST(unseen_dup(0) == fd && close(fd) == 0);
  close_it(fd);
}
static void unseen_far_off(void) {
  int fd = 0;
  while (fd < 600) fd = unseen_dup(0);
  MUST(close(fd) == 0);
  close_it(fd);
}

// What close-on-exec closed was never open in the next image.
static void after_exec(const char* program) {
  MUST(fcntl(open("/dev/null", O_RDONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 90) == 90);
  execl(program, program, "closes_90", (char*)NULL);
  MUST(!"exec");
}

int main(int argc, char** argv) {
  static const struct scenario kCases[] = {SCENARIO(never_open), SCENARIO(minus_one), SCENARIO(largest),
                                           SCENARIO(minus_one_often), SCENARIO(unseen_reopened),
                                           SCENARIO(unseen_far_off), {NULL, NULL}};
  if (argc > 1 && strcmp(argv[1], "after_exec") == 0) after_exec(argv[0]);
  if (argc > 1 && strcmp(argv[1], "closes_90") == 0) {
    close_it(90);
    return 0;
  }
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
