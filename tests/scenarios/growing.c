// A leak is growing when eight or more calls of one call path left theirs.
#include "scenario.h"

#include <signal.h>

static void leak_one(void) { MUST(open("/dev/null", O_RDONLY) >= 0); }  // @one

static void leak_times(int times) {
  for (int i = 0; i < times; ++i) leak_one();  // @loop
}

static void seven_calls(void) { leak_times(7); }
static void eight_calls(void) { leak_times(8); }
static void thousand_calls(void) { leak_times(1000); }

// Eight descriptors, but of four calls.
static void four_pipes(void) {
  for (int i = 0; i < 4; ++i) {
    int ends[2];
    MUST(pipe(ends) == 0);  // @pipe
  }
}

// Eight descriptors over two call paths.
static void two_paths(void) {
  leak_one();
  leak_one();
  leak_one();
  leak_one();
  for (int i = 0; i < 4; ++i) MUST(dup(0) >= 0);  // @dup
}

// Many calls that each closed theirs, and one that did not.
static void one_of_many(void) {
  for (int i = 0; i < 100; ++i) {
    int fd = open("/dev/null", O_RDONLY);  // @many
    if (i != 50) close(fd);
  }
}

// Killed by a signal, growing all the same.
static void growing_and_killed(void) {
  leak_times(8);
  raise(SIGKILL);
}

static void not_growing_and_killed(void) {
  leak_times(7);
  raise(SIGKILL);
}

static const struct scenario kCases[] = {SCENARIO(seven_calls),        SCENARIO(eight_calls),
                                         SCENARIO(thousand_calls),     SCENARIO(four_pipes),
                                         SCENARIO(two_paths),          SCENARIO(one_of_many),
                                         SCENARIO(growing_and_killed), SCENARIO(not_growing_and_killed),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
