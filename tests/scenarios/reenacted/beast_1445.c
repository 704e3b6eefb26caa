// close is called again as long as it says EINTR. The second call closes the log that another thread has just opened.
#include "scenario.h"

#include <dlfcn.h>
#include <pthread.h>

static pthread_barrier_t step;
static void next(void) { pthread_barrier_wait(&step); }

static void* open_log(void* unused) {
  next();
  int log = open("log", O_CREAT | O_WRONLY, 0600);  // @log
  next();
  next();
  MUST(write(log, "line\n", 5) == -1);  // @line
  return unused;
}

static void close_file(int fd) {
  int result;
  do {
    result = close(fd);  // @retried
    if (result == -1) {
      next();
      next();
    }
  } while (result == -1 && errno == EINTR);
}

int main(void) {
  pthread_t logger;
  int* interrupted_number = dlsym(RTLD_DEFAULT, "interrupted_number");
  MUST(interrupted_number);
  MUST(pthread_barrier_init(&step, NULL, 2) == 0 && pthread_create(&logger, NULL, open_log, NULL) == 0);
  int file = open("/dev/null", O_RDONLY);  // @file
  *interrupted_number = file;
  close_file(file);
  next();
  pthread_join(logger, NULL);
  return 0;
}
