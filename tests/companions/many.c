// Very many threads, or very many descriptors. Prints what can be counted from outside the shim.
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// Resident and private-dirty memory would count the trace, too; what the heap and anonymous mappings take does not.
static long anonymous_kilobytes(void) {
  FILE* file = fopen("/proc/self/status", "r");
  char line[256];
  long kilobytes = -1;
  while (file && fgets(line, sizeof line, file)) sscanf(line, "RssAnon: %ld", &kilobytes);
  if (file) fclose(file);
  return kilobytes;
}

static void raise_limit(void) {
  struct rlimit limit = {1 << 20, 1 << 20};
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static pthread_barrier_t together;
static int rounds;
static void* churn(void* unused) {
  pthread_barrier_wait(&together);  // all of them are alive at once
  for (int i = 0; i < rounds; ++i) {
    const int fd = open("/dev/null", O_RDONLY);
    if (fd < 0 || close(fd) != 0) abort();
  }
  pthread_barrier_wait(&together);
  return unused;
}
static void* leave_one(void* argument) {
  pthread_barrier_wait(&together);
  if (open("/dev/null", O_RDONLY) < 0) abort();  // @left-by-thread
  pthread_barrier_wait(&together);
  return argument;
}
static int threads(int count, void* (*body)(void*)) {
  pthread_barrier_init(&together, NULL, (unsigned)count);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 16384);
  pthread_t* ids = calloc((size_t)count, sizeof *ids);
  for (int i = 0; i < count; ++i) {
    const int error = pthread_create(&ids[i], &attributes, body, NULL);
    if (error != 0) {
      printf("{\"no_threads\": %d}\n", error);
      _exit(77);
    }
  }
  for (int i = 0; i < count; ++i) pthread_join(ids[i], NULL);
  printf("{\"kilobytes\": %ld}\n", anonymous_kilobytes());
  return 0;
}

static int copy_all(int count, int and_close) {
  const double began = seconds();
  int highest = 2;
  for (int i = 0; i < count; ++i) {
    const int fd = dup(0);  // @left
    if (fd < 0) {
      printf("{\"errno\": %d, \"reached\": %d}\n", errno, i);
      return 77;
    }
    if (fd > highest) highest = fd;
  }
  if (and_close) {
    for (int fd = 3; fd <= highest; ++fd) {
      if (close(fd) != 0) abort();
    }
  }
  printf("{\"seconds\": %.3f, \"kilobytes\": %ld}\n", seconds() - began, and_close ? anonymous_kilobytes() : 0);
  fflush(stdout);
  return 0;
}

int main(int argc, char** argv) {
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // a huge page would count for what is not used
  if (argc < 4) return 99;
  const int count = atoi(argv[2]);
  if (strcmp(argv[3], "raised") == 0) raise_limit();
  if (argc > 4) rounds = atoi(argv[4]);
  if (strcmp(argv[1], "churn") == 0) return threads(count, churn);
  if (strcmp(argv[1], "leave") == 0) return threads(count, leave_one);
  if (strcmp(argv[1], "close") == 0) return copy_all(count, 1);
  if (strcmp(argv[1], "keep") == 0) return copy_all(count, 0);
  if (strcmp(argv[1], "killed") == 0) return copy_all(count, 0) || raise(SIGKILL);
  return 99;
}
