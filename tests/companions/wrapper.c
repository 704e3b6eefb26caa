// A library to be preloaded: like so many, it stands before libc's functions and passes every call on. With
// -DTHROUGH_ANOTHER it makes other calls of it than the program made.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>

#define NEXT(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
#ifdef THROUGH_ANOTHER
  return NEXT(openat)(AT_FDCWD, path, flags, mode);
#else
  return NEXT(open)(path, flags, mode);
#endif
}
FILE* fopen(const char* path, const char* mode) { return NEXT(fopen)(path, mode); }
int dup(int fd) { return NEXT(dup)(fd); }
int close(int fd) {
  const int result = NEXT(close)(fd);
  return result;
}
