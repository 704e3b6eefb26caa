// Sessions of a server whose error path forgets the close: what was last done with each leads there.

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
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

// A call from code that the program has made itself, as a runtime's compiler does: no file has its address.
static void made_code(void) {
#if defined(__x86_64__)
  // push %rbx; mov $read, %rax; call *%rax; pop %rbx; ret
  unsigned char code[] = {0x53, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5b, 0xc3};
  ssize_t (*target)(int, void*, size_t) = read;
  memcpy(code + 3, &target, sizeof target);
  void* place = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(place != MAP_FAILED);
  memcpy(place, code, sizeof code);
  ssize_t (*made)(int, void*, size_t) = (ssize_t(*)(int, void*, size_t))place;
  int fd = open("/dev/null", O_RDONLY);  // @made
  char byte;
  MUST(fd >= 0 && made(fd, &byte, 1) == 0);
#else
  _exit(77);
#endif
}

static const struct scenario scenarios[] = {
    SCENARIO(forgotten), SCENARIO(made_code), SCENARIO(reopened), SCENARIO(thread), SCENARIO(child), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(scenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
