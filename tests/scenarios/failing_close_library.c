// A close that fails when it is asked to, as on a file system far away: the number is closed all the same. It lies below
// the shim, between it and libc.
#define _GNU_SOURCE 1
#include <errno.h>
#include <sys/syscall.h>

static int next_error;

void fail_next_close(int error) { next_error = error; }

// By hand: libc's close and syscall are what the shim sees.
static long system_close(int fd) {
  long result = SYS_close;
  __asm__ volatile("syscall" : "+a"(result) : "D"((long)fd) : "rcx", "r11", "memory");
  return result;
}

int close(int fd) {
  const long result = system_close(fd);
  const int error = result < 0 ? (int)-result : next_error;
  if (result == 0) next_error = 0;
  if (error == 0) return 0;
  errno = error;
  return -1;
}
