// A thread waits for a pipe while the program fails.
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static int ends[2];

static void* wait_for_word(void* unused) {
  char byte;
  return read(ends[0], &byte, 1) == 1 ? unused : NULL;
}

static void fail(void) { abort(); }

int main(void) {
  pthread_t thread;
  if (pipe(ends) != 0) return 1;
  pthread_create(&thread, NULL, wait_for_word, NULL);
  usleep(200000);
  fail();
}
