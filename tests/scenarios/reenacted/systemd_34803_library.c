// A library with an event loop of its own, which insists that closing works.
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct event_loop {
  int set;
};

struct event_loop* loop_new(void) {
  struct event_loop* loop = malloc(sizeof *loop);
  loop->set = epoll_create1(EPOLL_CLOEXEC);  // @loop-made
  return loop;
}
// Where the real one aborts, this one reports.
int loop_free(struct event_loop* loop) {
  int result = close(loop->set);  // @loop-closed
  free(loop);
  return result;
}
