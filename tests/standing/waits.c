// Threads that wait in what may fail with EINTR and in what may not. Ends with 0 when standard input is closed, with 2
// where any call failed meanwhile.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void need(int fine) {
  if (!fine) {
    perror("waits");
    _exit(2);
  }
}

static void* in_recv(void* unused) {
  int ends[2];
  char byte;
  const struct timeval long_time = {.tv_sec = 1000};
  need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  need(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &long_time, sizeof long_time) == 0);
  need(recv(ends[0], &byte, 1, 0) >= 0);
  return unused;
}

static void* in_poll(void* unused) {
  int ends[2];
  need(pipe(ends) == 0);
  struct pollfd one = {.fd = ends[0], .events = POLLIN};
  need(poll(&one, 1, 1000000) > 0);
  return unused;
}

static void* in_epoll(void* unused) {
  const int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  need(epoll_ctl(set, EPOLL_CTL_ADD, 0, &event) == 0);
  need(epoll_wait(set, &event, 1, -1) == 1);
  exit(0);
  return unused;
}

static void* in_join(void* other) {
  pthread_join(*(pthread_t*)other, NULL);
  return NULL;
}

int main(void) {
  pthread_t threads[4];
  pthread_create(&threads[0], NULL, in_recv, NULL);
  pthread_create(&threads[1], NULL, in_poll, NULL);
  pthread_create(&threads[2], NULL, in_join, &threads[0]);
  pthread_create(&threads[3], NULL, in_epoll, NULL);
  pthread_join(threads[3], NULL);
}
