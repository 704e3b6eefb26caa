// Sessions of a server whose error path forgets the close: what was last done with each leads there.

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "scenario.h"

enum { kSessions = 12 };

static void connect_pair(int ends[2]) {
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);  // @opened
  MUST(write(ends[1], "q", 1) == 1);
}

// Every third request is bad.
static int session(int fd, int number) {
  char question = 0;
  MUST(read(fd, &question, 1) == 1);  // @read
  if (number % 3 == 0) return -1;
  MUST(send(fd, "a", 1, 0) == 1);
  close(fd);
  return 0;
}

static void forgotten(void) {
  for (int i = 0; i < kSessions; ++i) {
    int ends[2];
    connect_pair(ends);
    session(ends[0], i);
    close(ends[1]);
  }
}

// The number's earlier lives were used as well.
static void reopened(void) {
  for (int i = 0; i < 3; ++i) {
    int fd = open("/dev/null", O_WRONLY);  // @reopened
    MUST(fd >= 0);
    if (i == 2) return;
    MUST(write(fd, "x", 1) == 1);
    close(fd);
  }
}

// In a thread that has recorded nothing before.
static int watched[2];
static void* watch(void* set) {
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = watched[0]}};
  MUST(epoll_ctl(*(int*)set, EPOLL_CTL_ADD, watched[0], &event) == 0);
  MUST(epoll_wait(*(int*)set, &event, 1, -1) == 1);  // @waited
  return NULL;
}
static void thread(void) {
  connect_pair(watched);
  int set = epoll_create1(0);  // @set
  MUST(set >= 0);
  pthread_t other;
  MUST(pthread_create(&other, NULL, watch, &set) == 0);
  MUST(pthread_join(other, NULL) == 0);
  close(watched[0]);
  close(watched[1]);
}

// What a child does with what it inherited is not its parent's use.
static void child(void) {
  int ends[2];
  connect_pair(ends);
  const pid_t pid = fork();
  MUST(pid >= 0);
  if (pid == 0) {
    char question = 0;
    MUST(read(ends[0], &question, 1) == 1);
    close(ends[0]);
    close(ends[1]);
    _exit(0);
  }
  MUST(status_of(pid) == 0);
  close(ends[1]);
}

static const struct scenario scenarios[] = {
    SCENARIO(forgotten), SCENARIO(reopened), SCENARIO(thread), SCENARIO(child), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(scenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
