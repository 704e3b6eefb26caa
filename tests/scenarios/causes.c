// How a leak grew, and where its siblings were closed.
#include "scenario.h"

#include <pthread.h>
#include <sys/resource.h>

static int take(void) {
  int fd = open("/dev/null", O_RDONLY);  // @taken
  MUST(fd >= 0);
  return fd;
}
static void finish(int fd) { close(fd); }  // @finish
static void give_up(int fd) { close(fd); }  // @give-up

// Forty jobs, of which nine end in a way that forgets to close.
static void mostly_closed(void) {
  for (int job = 0; job < 40; ++job) {
    int fd = take();
    if (job % 4 == 0 && job < 36) continue;
    if (job % 10 == 9) {
      give_up(fd);
    } else {
      finish(fd);
    }
  }
}

// The journal's ring comes round many times between the first and the last of them.
static void long_ago(void) {
  take();
  for (int job = 0; job < 20000; ++job) finish(take());
  take();
}

static void never_closed(void) {
  for (int job = 0; job < 10; ++job) take();
}

static void once(void) { take(); }

// The same line, never twice by the same call path.
static void descend(int levels, int close_from) {
  int fd = open("/dev/null", O_RDONLY);  // @descended
  if (levels > 1) descend(levels - 1, close_from);
  if (levels > close_from) close(fd);  // @ascended
}
static void recursion(void) { descend(12, 0); }
static void leaky_recursion(void) { descend(12, 9); }

// What else ends a descriptor: a range, dup2, a stream's end.
static int nine[9];
static void take_nine(void) {
  for (int i = 0; i < 9; ++i) nine[i] = dup(0);  // @nine
}
static void other_ends(void) {
  take_nine();
  MUST(nine[8] == nine[0] + 8);
  close_range((unsigned)nine[0], (unsigned)nine[3], 0);  // @ranged
  MUST(dup2(0, nine[4]) == nine[4]);                     // @overwritten
  FILE* file = fdopen(nine[5], "r");
  fclose(file);  // @stream
  close(nine[4]);
}

// A close that a process makes of what it inherited is none of its parent's.
static void children_close_too(void) {
  int fd = take();
  for (int i = 0; i < 3; ++i) {
    pid_t child = fork();
    if (child == 0) {
      finish(fd);
      finish(take());
      _exit(0);
    }
    MUST(status_of(child) == 0);
  }
}

static void* work(void* unused) {
  for (int job = 0; job < 3000; ++job) finish(take());
  return unused;
}
static void threads(void) {
  pthread_t workers[3];
  for (int i = 0; i < 3; ++i) MUST(pthread_create(&workers[i], NULL, work, NULL) == 0);
  for (int i = 0; i < 3; ++i) pthread_join(workers[i], NULL);
  pthread_t last;
  MUST(pthread_create(&last, NULL, (void* (*)(void*))take, NULL) == 0);
  pthread_join(last, NULL);
}

static void balanced(void) {
  for (int job = 0; job < 40; ++job) finish(take());
}

static void small_table(void) {
  struct rlimit limit = {100, 100};
  if (getenv("SMALL") == NULL) {
    MUST(setenv("SMALL", "1", 1) == 0 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
    execl("/proc/self/exe", "causes", "small_table", NULL);
    MUST(!"exec");
  }
  never_closed();
}

static const struct scenario kCases[] = {
    SCENARIO(mostly_closed), SCENARIO(long_ago),        SCENARIO(never_closed), SCENARIO(once),
    SCENARIO(recursion),     SCENARIO(leaky_recursion), SCENARIO(other_ends),   SCENARIO(children_close_too),
    SCENARIO(threads),       SCENARIO(balanced),        SCENARIO(small_table),  {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
