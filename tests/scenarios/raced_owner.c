// One thread closes its own descriptor twice, over and over; others open, write and close theirs, and are hit in every
// way that a race knows. They are never at fault.
#include "scenario.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { kRounds = 20000 };

static atomic_int finished;

static void twice(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  close(fd);
  close(fd);
}

static void owner(void) {
  int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  (void)!write(fd, "x", 1);
  close(fd);
}

static void* own(void* unused) {
  while (!atomic_load(&finished)) owner();
  return unused;
}

static void beside(int owners) {
  pthread_t threads[2];
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < owners; ++i) MUST(pthread_create(&threads[i], NULL, own, NULL) == 0);
  for (int round = 0; round < kRounds; ++round) twice();
  atomic_store(&finished, 1);
  for (int i = 0; i < owners; ++i) MUST(pthread_join(threads[i], NULL) == 0);
}

static void one_owner(void) { beside(1); }
static void two_owners(void) { beside(2); }

static const struct scenario kCases[] = {SCENARIO(one_owner), SCENARIO(two_owners), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
