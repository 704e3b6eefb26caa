// Threads, signals and forks at once.
#include "scenario.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/time.h>

static void* open_and_leave(void* unused) {
  MUST(open("/dev/null", O_RDONLY) >= 0);  // @in-thread
  return unused;
}

static void leak_in_thread(void) {
  pthread_t thread;
  MUST(pthread_create(&thread, NULL, open_and_leave, NULL) == 0);
  pthread_join(thread, NULL);
}

static void leave_it_open(void) { MUST(open("/dev/zero", O_RDONLY) >= 0); }  // @left-open

static void close_twice(void) {
  int fd = open("/dev/null", O_RDONLY);  // @opened
  close(fd);                             // @closed
  close(fd);                             // @again
}

// --- exact counts

enum { kThreads = 8, kPairs = 20000 };
static atomic_bool finished;

static void* make_pairs(void* count) {
  for (int i = 0; i < *(int*)count && !atomic_load(&finished); ++i) {
    int fd = open("/dev/null", O_RDONLY);
    MUST(fd >= 0 && close(fd) == 0);
  }
  return NULL;
}

static void exact_counts(void) {
  pthread_t threads[kThreads];
  int pairs = kPairs;
  for (int i = 0; i < kThreads; ++i) MUST(pthread_create(&threads[i], NULL, make_pairs, &pairs) == 0);
  for (int i = 0; i < kThreads; ++i) pthread_join(threads[i], NULL);
}

// More threads than any table of a fixed size has room for.
static void many_threads(void) {
  enum { kMany = 2000 };
  static pthread_t threads[kMany];
  int pairs = 10;
  pthread_attr_t attributes;
  MUST(pthread_attr_init(&attributes) == 0);
  MUST(pthread_attr_setstacksize(&attributes, 16384) == 0);
  for (int i = 0; i < kMany; ++i) {
    if (i >= 100) pthread_join(threads[i - 100], NULL);
    MUST(pthread_create(&threads[i], &attributes, make_pairs, &pairs) == 0);
  }
  for (int i = kMany - 100; i < kMany; ++i) pthread_join(threads[i], NULL);
}

// --- one opens, another closes

static void* close_what_comes(void* ends) {
  int fd;
  while (read(((int*)ends)[0], &fd, sizeof fd) == sizeof fd) MUST(close(fd) == 0);
  close(((int*)ends)[0]);
  return NULL;
}

static void passed_between_threads(void) {
  int ends[2];
  pthread_t thread;
  MUST(pipe(ends) == 0);
  MUST(pthread_create(&thread, NULL, close_what_comes, ends) == 0);
  for (int i = 0; i < 1000; ++i) {
    int fd = open("/dev/null", O_RDONLY);
    MUST(write(ends[1], &fd, sizeof fd) == sizeof fd);
  }
  close(ends[1]);
  pthread_join(thread, NULL);
}

// --- a signal handler works with descriptors while the main thread does

static atomic_int handled;
static sigjmp_buf resume;
static volatile sig_atomic_t may_jump;

static void open_and_close(int signal_number) {
  int error = errno;
  int fd = open("/dev/zero", O_RDONLY);
  if (fd >= 0) close(fd);
  errno = error;
  atomic_fetch_add(&handled, signal_number != 0);
}

static void jump_away(int signal_number) {
  atomic_fetch_add(&handled, signal_number != 0);
  if (may_jump) {
    may_jump = 0;
    siglongjmp(resume, 1);
  }
}

// A storm of signals, at no particular points of the work.
static void with_signals(void (*handler)(int), void (*work)(void)) {
  struct sigaction action = {0};
  struct itimerval often = {{0, 70}, {0, 70}}, never = {{0, 0}, {0, 0}};
  action.sa_handler = handler;
  MUST(sigaction(SIGALRM, &action, NULL) == 0);
  MUST(setitimer(ITIMER_REAL, &often, NULL) == 0);
  work();
  MUST(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static int pairs_made;

static void pairs_until_handled(void) {
  while (atomic_load(&handled) < 2000) {
    int fd = open("/dev/null", O_RDONLY);
    MUST(fd >= 0 && close(fd) == 0);
    ++pairs_made;
  }
}

static void signal_handler_works(void) {
  with_signals(open_and_close, pairs_until_handled);
  printf("{\"pairs\": %d}\n", pairs_made + atomic_load(&handled));
}

static void pairs_until_jumped(void) {
  while (atomic_load(&handled) < 2000) {
    if (sigsetjmp(resume, 1) == 0) {
      may_jump = 1;
      for (;;) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd >= 0) close(fd);
      }
    }
    closefrom(3);  // a jump between open and close left one
  }
}

// Whatever the jumps cut short, what happens afterwards is recorded as usual.
static void jump_out_of_handler(void) {
  with_signals(jump_away, pairs_until_jumped);
  close_twice();
  leave_it_open();
}

// --- forks in a program whose other threads load and unload libraries

static void* load_and_unload(void* name) {
  while (!atomic_load(&finished)) {
    void* library = dlopen(name, RTLD_NOW);
    MUST(library);
    dlclose(library);
  }
  return NULL;
}

static void fork_while_loading(void) {
  pthread_t loaders[2];
  MUST(pthread_create(&loaders[0], NULL, load_and_unload, "libanl.so.1") == 0);
  MUST(pthread_create(&loaders[1], NULL, load_and_unload, "libutil.so.1") == 0);
  for (int i = 0; i < 200; ++i) {
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
      int fd = open("/dev/null", O_RDONLY);
      MUST(fd >= 0 && close(fd) == 0);
      _exit(0);
    }
    MUST(status_of(child) == 0);
  }
  atomic_store(&finished, true);
  for (int i = 0; i < 2; ++i) pthread_join(loaders[i], NULL);
}

// The child's ledger is a snapshot taken while others were at work; the last child closes twice.
static void fork_while_opening(void) {
  pthread_t threads[2];
  int pairs = 1000000000;
  for (int i = 0; i < 2; ++i) {
    MUST(pthread_create(&threads[i], NULL, make_pairs, &pairs) == 0);
  }
  for (int i = 0; i < 120; ++i) {
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
      int fd = fcntl(0, F_DUPFD, 200);
      MUST(fd >= 200);
      if (i == 119) {
        close(fd);  // @child-closed
        close(fd);  // @child-again
      } else {
        MUST(close(fd) == 0);
      }
      _exit(0);
    }
    MUST(status_of(child) == 0);
  }
  atomic_store(&finished, true);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
}

// --- a stale close races with an open of the same number

static atomic_int contested = -1;

static void* close_stale_number(void* unused) {
  while (atomic_load(&contested) < 0) sched_yield();
  while (!atomic_load(&finished)) close(atomic_load(&contested));
  return unused;
}

static void stale_close_race(void) {
  pthread_t thread;
  MUST(pthread_create(&thread, NULL, close_stale_number, NULL) == 0);
  for (int i = 0; i < 20000; ++i) {
    int fd = open("/dev/null", O_RDONLY);
    MUST(fd >= 0);
    atomic_store(&contested, fd);
    close(fd);
  }
  atomic_store(&finished, true);
  pthread_join(thread, NULL);
}

// --- ends of threads

static void* close_after_main(void* fd) {
  MUST(close(*(int*)fd) == 0);
  return NULL;
}

static void main_thread_leaves_first(void) {
  static int fd;
  pthread_t thread;
  fd = open("/dev/null", O_RDONLY);
  MUST(pthread_create(&thread, NULL, close_after_main, &fd) == 0);
  pthread_detach(thread);
  pthread_exit(NULL);
}

static void* block_in_read(void* ends) {
  await(((int*)ends)[0]);
  return NULL;
}

static void cancelled_thread(void) {
  int ends[2];
  pthread_t thread;
  MUST(pipe(ends) == 0);
  MUST(pthread_create(&thread, NULL, block_in_read, ends) == 0);
  MUST(pthread_cancel(thread) == 0);
  pthread_join(thread, NULL);
  close(ends[0]);
  close(ends[1]);
}

static const struct scenario kCases[] = {SCENARIO(leak_in_thread),
                                         SCENARIO(exact_counts),
                                         SCENARIO(many_threads),
                                         SCENARIO(passed_between_threads),
                                         SCENARIO(signal_handler_works),
                                         SCENARIO(jump_out_of_handler),
                                         SCENARIO(fork_while_loading),
                                         SCENARIO(fork_while_opening),
                                         SCENARIO(stale_close_race),
                                         SCENARIO(main_thread_leaves_first),
                                         SCENARIO(cancelled_thread),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
