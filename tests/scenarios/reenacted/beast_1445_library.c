// Lets a close be interrupted by a signal, as the kernel may: the number is closed, and close says EINTR.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>

int interrupted_number = -1;

int close(int fd) {
  int (*real)(int);
  *(void**)&real = dlsym(RTLD_NEXT, "close");
  int result = real(fd);
  if (fd != interrupted_number || result != 0) return result;
  interrupted_number = -1;
  errno = EINTR;
  return -1;
}
