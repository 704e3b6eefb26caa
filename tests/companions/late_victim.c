// A stale close hits what another thread is just opening, and the number has been handed out again, and perhaps closed,
// before that thread's open() returns. Usage: late_victim open|closed
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void wait_until_opened(void);
void let_go(void);

static int number;

static void* owner(void* unused) {
  const int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  printf("%s\n", fd == number ? "the same number" : "another number");
  return unused;
}

static int open_own(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }

static void close_twice(pthread_t* thread) {
  number = open_own();
  close(number);
  pthread_create(thread, NULL, owner, NULL);
  wait_until_opened();
  close(number);  // the owner's
}

int main(int argc, char** argv) {
  pthread_t thread;
  close_twice(&thread);
  const int again = open_own();
  const int closes_first = argc > 1 && strcmp(argv[1], "closed") == 0;
  if (closes_first) close(again);
  let_go();
  pthread_join(thread, NULL);
  if (!closes_first) close(again);
  return 0;
}
