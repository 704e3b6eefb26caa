// What an event loop watches, and how its process ends.
#include "scenario.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void add(int set, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  MUST(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0);
}

static int make(void) {
  int fd = eventfd(0, 0);  // @made
  MUST(fd >= 0);
  return fd;
}

static void watch_ten(int set) {
  for (int i = 0; i < 10; ++i) add(set, make());
}

static void die(void) { kill(getpid(), SIGKILL); }

// A server at work.
static void killed(void) {
  watch_ten(epoll_create1(0));  // @set
  die();
}

// It had the chance to close them.
static void exits(void) { watch_ten(epoll_create1(0)); }

// Nobody waits for them any more.
static void taken_out(void) {
  int set = epoll_create1(0);  // @set-of-none
  for (int i = 0; i < 10; ++i) {
    int fd = make();
    add(set, fd);
    MUST(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0);
  }
  die();
}

static void set_closed(void) {
  int set = epoll_create1(0);
  watch_ten(set);
  close(set);
  die();
}

// Another set has the number now, and watches none of them.
static void set_replaced(void) {
  int set = epoll_create1(0);
  watch_ten(set);
  close(set);
  MUST(epoll_create1(0) == set);  // @replacement
  die();
}

// The numbers were registered in an earlier life.
static void reopened(void) {
  int set = epoll_create1(0);  // @set-of-earlier
  int fds[10];
  for (int i = 0; i < 10; ++i) add(set, fds[i] = make());
  for (int i = 0; i < 10; ++i) close(fds[i]);
  for (int i = 0; i < 10; ++i) make();
  die();
}

// Its last connection was accepted and not registered yet.
static void one_not_yet(void) {
  watch_ten(epoll_create1(0));  // @set-of-ten
  make();
  die();
}

// In two sets, and taken out of one of them.
static void in_two(void) {
  int first = epoll_create1(0), second = epoll_create1(0);  // @two-sets
  for (int i = 0; i < 10; ++i) {
    int fd = make();
    add(first, fd);
    add(second, fd);
    MUST(epoll_ctl(second, EPOLL_CTL_DEL, fd, NULL) == 0);
  }
  die();
}

// A worker waits on the set that its parent has made.
static void by_worker(void) {
  int set = epoll_create1(0);
  pid_t worker = fork();
  if (worker == 0) {
    watch_ten(set);
    die();
  }
  MUST(status_of(worker) == 128 + SIGKILL);
  close(set);
}

static const struct scenario kCases[] = {
    SCENARIO(killed),   SCENARIO(exits),       SCENARIO(taken_out), SCENARIO(set_closed), SCENARIO(set_replaced),
    SCENARIO(reopened), SCENARIO(one_not_yet), SCENARIO(in_two),    SCENARIO(by_worker),  {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
