// A thousand threads that wait in poll(2) of 64 pipes, or in read(2) of one.
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int ends[1000][2];
static void* Wait(void* number) {
  long i = (long)number;
  char byte;
  struct pollfd polled[64];
  for (int k = 0; k < 64; ++k) polled[k] = (struct pollfd){ends[(i + k) % 1000][0], POLLIN, 0};
  if (i % 2 == 0) poll(polled, 64, -1); else if (read(ends[i][0], &byte, 1) < 0) perror("read");
  return 0;
}
int main(void) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 65536);
  for (long i = 0; i < 1000; ++i) if (pipe(ends[i]) != 0) return 1;
  for (long i = 0; i < 1000; ++i) {
    pthread_t thread;
    if (pthread_create(&thread, &small, Wait, (void*)i) != 0) return 1;
  }
  printf("ready\n");
  fflush(stdout);
  pause();
  return 0;
}
