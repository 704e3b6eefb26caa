// What a vfork child does before it execs or ends, in its parent's memory and a table of its own.
#include "scenario.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

extern int close_range(unsigned, unsigned, int);

static int open_it(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(fd >= 3);
  return fd;
}
static void become_true(void) {
  execl("/bin/true", "true", (char*)NULL);
  _exit(127);
}

// --- wrong

static void closes_twice(void) {
  pid_t child = vfork();
  if (child == 0) {
    int fd = open_it();
    close(fd);
    close(fd);  // @again
    become_true();
  }
  MUST(status_of(child) == 0);
}

static void closes_inherited_twice(void) {
  int fd = open("/dev/null", O_RDONLY);  // @inherited
  pid_t child = vfork();
  if (child == 0) {
    close(fd);
    close(fd);  // @inherited-again
    become_true();
  }
  MUST(status_of(child) == 0);
  MUST(close(fd) == 0);
}

static void uses_closed(void) {
  pid_t child = vfork();
  if (child == 0) {
    char byte;
    int fd = open_it();
    close(fd);
    (void)!read(fd, &byte, 1);  // @used
    become_true();
  }
  MUST(status_of(child) == 0);
}

static void lets_cross(void) {
  pid_t child = vfork();
  if (child == 0) {
    open("/dev/null", O_RDONLY);  // @crossed
    become_true();
  }
  MUST(status_of(child) == 0);
}

static void leaves_open(void) {
  pid_t child = vfork();
  if (child == 0) {
    open("/dev/zero", O_RDONLY);  // @left
    _exit(0);
  }
  MUST(status_of(child) == 0);
}

static void child_of_child(void) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_t child = vfork();
  if (child == 0) {
    int other = dup(fd);
    pid_t inner = vfork();
    if (inner == 0) {
      close(other);
      close(other);  // @inner-again
      close(fd);
      become_true();
    }
    _exit(status_of(inner) == 0 && close(other) == 0 && close(fd) == 0 ? 0 : 99);
  }
  MUST(status_of(child) == 0);
  MUST(close(fd) == 0);
}

// Beyond the ledger's first block, by range and one by one.
static void high_numbers(void) {
  MUST(fcntl(0, F_DUPFD, 700) == 700 && fcntl(0, F_DUPFD, 900) == 900);
  pid_t child = vfork();
  if (child == 0) {
    close_range(600, ~0U, 0);
    close(700);  // @high-again
    become_true();
  }
  MUST(status_of(child) == 0);
  MUST(close(700) == 0 && close(900) == 0);
}

// --- right

// As shells and subprocess do it.
static void redirects(void) {
  int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
  pid_t child = vfork();
  if (child == 0) {
    int in = open("/dev/null", O_RDONLY);
    dup2(in, 0);
    close(in);
    dup2(out, 1);
    close(out);
    become_true();
  }
  MUST(status_of(child) == 0);
  MUST(close(out) == 0);
}

static void exec_fails(void) {
  int fd = open_it();
  pid_t child = vfork();
  if (child == 0) {
    int own = open_it();
    execl("/nowhere/to/be/found", "x", (char*)NULL);
    close(own);
    close(fd);
    _exit(7);
  }
  MUST(status_of(child) == 7);
  MUST(close(fd) == 0);
}

static void is_killed(void) {
  int fd = open_it();
  for (int i = 0; i < 40; ++i) {
    pid_t child = vfork();
    if (child == 0) {
      close(fd);
      raise(SIGKILL);
    }
    MUST(status_of(child) == 128 + SIGKILL);
  }
  MUST(close(fd) == 0);
}

// The parent's other threads open and close meanwhile, and vfork too.
static void* works(void* rounds) {
  for (long i = 0; i < (long)rounds; ++i) {
    int fd = open_it();
    pid_t child = vfork();
    if (child == 0) {
      int own = dup(fd);
      close(fd);
      close(own);
      _exit(0);
    }
    MUST(status_of(child) == 0);
    int other = open_it();
    MUST(close(fd) == 0 && close(other) == 0);
  }
  return NULL;
}
static void beside_threads(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) MUST(pthread_create(&threads[i], NULL, works, (void*)200L) == 0);
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
}

int main(int argc, char** argv) {
  static const struct scenario table[] = {SCENARIO(closes_twice),   SCENARIO(closes_inherited_twice),
                                          SCENARIO(uses_closed),    SCENARIO(lets_cross),
                                          SCENARIO(leaves_open),    SCENARIO(child_of_child),
                                          SCENARIO(high_numbers),   SCENARIO(redirects),
                                          SCENARIO(exec_fails),     SCENARIO(is_killed),
                                          SCENARIO(beside_threads), {NULL, NULL}};
  run_scenario(table, argc > 1 ? argv[1] : NULL);
  return 0;
}
