// A program with functions of libc's names, exported, so that its own calls never reach a preloaded library.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int by_hand, calls;

// Both ways that such programs have: on to the next definition, or to the kernel.
int open(const char* path, int flags, ...) {
  ++calls;
  if (by_hand) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
  int (*next)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open");
  return next(path, flags, 0);  // @wrapper
}
int close(int fd) {
  ++calls;
  if (by_hand) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"((long)SYS_close), "D"((long)fd) : "rcx", "r11", "memory");
    return result < 0 ? -1 : 0;
  }
  int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "close");
  return next(fd);
}

static int leak_one(void) {
  return open("/etc/passwd", O_RDONLY);  // @leak
}

int main(int argc, char** argv) {
  by_hand = argc > 1 && strcmp(argv[1], "by_hand") == 0;
  for (int i = 0; i < 10; ++i) {
    const int fd = open("/dev/null", O_RDONLY);
    if (fd < 0 || close(fd) != 0) abort();
  }
  const int fd = leak_one();
  const int other = openat(AT_FDCWD, "/dev/null", O_RDONLY);
  printf("%d %d %d %d\n", fd, other - fd, close(other), calls);
  return 3;
}
