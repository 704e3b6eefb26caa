// The loops of the benchmark: a program that measures itself and prints nanoseconds for one operation.
//
//   loops NAME DEPTH COUNT          the operation NAME, DEPTH calls below main, over three call paths in turn
//   loops NAME DEPTH COUNT twice    … and in the end one descriptor closed twice, so that the report shows both stacks
//
// The three paths have no function in common between main and the operation: a walk that remembers the last stack finds
// nothing of it again, but for what the operation itself does twice.
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef void operation(void);

static void fail(const char* what) {
  perror(what);
  exit(99);
}

static void open_close(void) {
  int fd = open("/dev/null", O_RDONLY);
  if (fd < 0 || close(fd) != 0) fail("open");
}

static void dup_close(void) {
  int fd = dup(0);
  if (fd < 0 || close(fd) != 0) fail("dup");
}

static void pair_close(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || close(ends[0]) != 0 || close(ends[1]) != 0) fail("socketpair");
}

static void fopen_fclose(void) {
  FILE* file = fopen("/dev/null", "r");
  if (!file || fclose(file) != 0) fail("fopen");
}

static void fork_wait(void) {
  int status;
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) fail("fork");
}

static void close_twice(void) {
  int fd = open("/dev/zero", O_RDONLY);
  close(fd);
  close(fd);
}

#define PATH(name)                                                        \
  static __attribute__((noinline)) void name(int depth, operation* run) { \
    if (depth > 1) {                                                      \
      name(depth - 1, run);                                               \
    } else {                                                              \
      run();                                                              \
    }                                                                     \
    __asm__ volatile("" ::: "memory"); /* no tail call */                 \
  }
PATH(path_a)
PATH(path_b)
PATH(path_c)

static operation* chosen;
static int depth;
static long count;

static void* repeat(void* unused) {
  for (long i = 0; i < count; i += 3) {
    path_a(depth, chosen);
    path_b(depth, chosen);
    path_c(depth, chosen);
  }
  return unused;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/// Nanoseconds for one operation, over `count` of them in each thread.
static double measure(int threads) {
  pthread_t running[2];
  double begin = now();
  if (threads == 1) {
    repeat(NULL);
  } else {
    for (int t = 0; t < 2; ++t) pthread_create(&running[t], NULL, repeat, NULL);
    for (int t = 0; t < 2; ++t) pthread_join(running[t], NULL);
  }
  return (now() - begin) / (double)count;
}

static int compare(const void* a, const void* b) {
  double difference = *(const double*)a - *(const double*)b;
  return (difference > 0) - (difference < 0);
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    operation* run;
    int threads;
  } kLoops[] = {{"open_close", open_close, 1}, {"dup_close", dup_close, 1}, {"socketpair", pair_close, 1},
                {"fopen_fclose", fopen_fclose, 1}, {"fork_wait", fork_wait, 1}, {"two_threads", open_close, 2}};
  if (argc < 4) return 98;
  depth = atoi(argv[2]);
  count = atol(argv[3]);
  for (size_t i = 0; i < sizeof kLoops / sizeof *kLoops; ++i) {
    if (strcmp(argv[1], kLoops[i].name) != 0) continue;
    chosen = kLoops[i].run;
    long wanted = count;
    count = wanted / 20 + 3;  // warm up
    repeat(NULL);
    // The median of slices: what other programs do on this machine meanwhile falls upon some of them.
    enum { kSlices = 15 };
    double slices[kSlices];
    count = wanted / kSlices + 3;
    for (int s = 0; s < kSlices; ++s) slices[s] = measure(kLoops[i].threads);
    qsort(slices, kSlices, sizeof *slices, compare);
    printf("%.1f\n", slices[kSlices / 2]);
    if (argc > 4) path_a(depth, close_twice);
    return 0;
  }
  return 98;
}
