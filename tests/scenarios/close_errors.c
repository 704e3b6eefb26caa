// close reports an error, and has closed the number all the same. The second argument is a library whose close fails
// when it is asked to (failing_close_library.c): it is preloaded behind the shim.
#include "scenario.h"

#include <dlfcn.h>
#include <pthread.h>

static void fail_next_close(int error) {
  void (*fail)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "fail_next_close");
  MUST(fail != NULL);
  fail(error);
}

static void save(int error) {
  int fd = open("data", O_CREAT | O_WRONLY, 0600);  // @data
  fail_next_close(error);
  MUST(close(fd) == -1 && errno == error);  // @saved
}

static void lost(void) { save(EIO); }
static void full(void) { save(ENOSPC); }
static void over_quota(void) { save(EDQUOT); }
static void interrupted(void) { save(EINTR); }
static void other_error(void) { save(EINVAL); }
static void fine(void) { close(open("data", O_CREAT | O_WRONLY, 0600)); }

// The loop that is right for read and write.
static void close_patiently(int fd) {
  while (close(fd) == -1 && errno == EINTR) {  // @patient
  }
}

static void retried(void) {
  int fd = open("data", O_CREAT | O_WRONLY, 0600);  // @retried
  fail_next_close(EINTR);
  close_patiently(fd);
}

// The same, and between the two another thread has been given the number.
static pthread_barrier_t step;
static void* log_writer(void* unused) {
  pthread_barrier_wait(&step);
  int fd = open("log", O_CREAT | O_WRONLY, 0600);  // @log
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  MUST(write(fd, "line\n", 5) == -1);  // @log-written
  return unused;
}
static void* retrying_thread(void* unused) {
  int fd = open("data", O_CREAT | O_WRONLY, 0600);  // @connection
  fail_next_close(EINTR);
  MUST(close(fd) == -1 && errno == EINTR);  // @interrupted
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  MUST(close(fd) == 0);  // @retry
  pthread_barrier_wait(&step);
  return unused;
}
static void retry_hits_another(void) {
  pthread_t threads[2];
  MUST(pthread_barrier_init(&step, NULL, 2) == 0);
  MUST(pthread_create(&threads[0], NULL, retrying_thread, NULL) == 0);
  MUST(pthread_create(&threads[1], NULL, log_writer, NULL) == 0);
  pthread_join(threads[0], NULL);
  pthread_join(threads[1], NULL);
}

static const struct scenario kCases[] = {SCENARIO(lost),        SCENARIO(full),        SCENARIO(over_quota),
                                         SCENARIO(interrupted), SCENARIO(other_error), SCENARIO(fine),
                                         SCENARIO(retried),     SCENARIO(retry_hits_another),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  MUST(argc > 2);
  const char* before = getenv("LD_PRELOAD");
  if (before == NULL || strstr(before, argv[2]) == NULL) {
    char preload[4096];
    snprintf(preload, sizeof preload, "%s:%s", before == NULL ? "" : before, argv[2]);
    MUST(setenv("LD_PRELOAD", preload, 1) == 0);
    execv(argv[0], argv);
    MUST(!"exec");
  }
  run_scenario(kCases, argv[1]);
  return 0;
}
