// A thread waits for a pipe while the program fails.
#define _GNU_SOURCE 1

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends[2];
static atomic_int waiter;

static void* wait_for_word(void* unused) {
  char byte;
  atomic_store(&waiter, gettid());
  return read(ends[0], &byte, 1) == 1 ? unused : NULL;
}

static int is_reading(pid_t thread) {
  char path[64];
  long call = -1;
  snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
  FILE* file = fopen(path, "r");
  if (file == NULL) return 0;
  const int got = fscanf(file, "%ld", &call);
  fclose(file);
  return got == 1 && call == SYS_read;
}

static void fail(void) { abort(); }

int main(void) {
  pthread_t thread;
  if (pipe(ends) != 0) return 1;
  pthread_create(&thread, NULL, wait_for_word, NULL);
  while (!is_reading(atomic_load(&waiter))) usleep(1000);
  fail();
}
