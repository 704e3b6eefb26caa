// A library behind the shim whose open() of /dev/zero returns only when it is let go: what happens between an opening
// and its recording, made to last.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

static sem_t opened;
static sem_t released;

void wait_until_opened(void) { sem_wait(&opened); }
void let_go(void) { sem_post(&released); }

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  const int fd = ((__typeof__(&open))dlsym(RTLD_NEXT, "open"))(path, flags, mode);
  if (strcmp(path, "/dev/zero") != 0) return fd;
  sem_post(&opened);
  sem_wait(&released);
  return fd;
}
