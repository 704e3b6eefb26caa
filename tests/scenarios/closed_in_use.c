// A number that is closed while another thread is inside a call on it; and threads that are ended first.
#include "scenario.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static int ends[2];
static pid_t waiting;

// The other thread is in the system call that it will wait in.
static void let_wait(void) {
  char path[64], state = 0;
  for (int quiet = 0; quiet < 3; ++quiet) {
    pid_t thread = __atomic_load_n(&waiting, __ATOMIC_ACQUIRE);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE* file = thread == 0 ? NULL : fopen(path, "r");
    if (file == NULL || fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || state != 'S') quiet = -1;
    if (file != NULL) fclose(file);
    usleep(10000);
  }
}

static void announce(void) { __atomic_store_n(&waiting, (pid_t)syscall(SYS_gettid), __ATOMIC_RELEASE); }

static void* reads(void* unused) {
  char byte;
  announce();
  (void)!read(ends[0], &byte, 1);  // @read
  return unused;
}
static void* receives(void* unused) {
  char byte;
  announce();
  (void)!recv(ends[0], &byte, 1, 0);  // @recv
  return unused;
}
static void* polls(void* unused) {
  struct pollfd entry = {ends[0], POLLIN, 0};
  announce();
  poll(&entry, 1, -1);  // @poll
  return unused;
}

static pthread_t start(void* (*body)(void*)) {
  pthread_t thread;
  MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  MUST(pthread_create(&thread, NULL, body, NULL) == 0);
  let_wait();
  return thread;
}

static void close_under(void* (*body)(void*)) {
  pthread_t thread = start(body);
  close(ends[0]);  // @closed
  send_byte(ends[1]);
  close(ends[1]);
  pthread_join(thread, NULL);
}

static void read_under_way(void) { close_under(reads); }
static void recv_under_way(void) { close_under(receives); }
static void poll_under_way(void) { close_under(polls); }

// The call never returns.
static void never_returns(void) {
  start(reads);
  close(ends[0]);  // @closed-for-good
  _exit(0);
}

// --- right

static void joined_first(void) {
  pthread_t thread = start(reads);
  shutdown(ends[0], SHUT_RDWR);
  pthread_join(thread, NULL);
  MUST(close(ends[0]) == 0 && close(ends[1]) == 0);
}

// A forked child closes what its parent's other thread reads.
static void closed_in_child(void) {
  pthread_t thread = start(reads);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    close(ends[1]);
    _exit(0);
  }
  MUST(status_of(child) == 0);
  child = vfork();
  if (child == 0) {
    close(ends[0]);
    _exit(0);
  }
  MUST(status_of(child) == 0);
  send_byte(ends[1]);
  pthread_join(thread, NULL);
  MUST(close(ends[0]) == 0 && close(ends[1]) == 0);
}

// A thread is cancelled in its call, and gone.
static void cancelled(void) {
  pthread_t thread = start(reads);
  pthread_cancel(thread);
  pthread_join(thread, NULL);
  MUST(close(ends[0]) == 0 && close(ends[1]) == 0);
}

int main(int argc, char** argv) {
  static const struct scenario table[] = {
      SCENARIO(read_under_way), SCENARIO(recv_under_way),  SCENARIO(poll_under_way), SCENARIO(never_returns),
      SCENARIO(joined_first),   SCENARIO(closed_in_child), SCENARIO(cancelled),      {NULL, NULL}};
  run_scenario(table, argc > 1 ? argv[1] : NULL);
  return 0;
}
