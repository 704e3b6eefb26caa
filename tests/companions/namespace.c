// A second libc in a namespace of its own (dlmopen): its calls do not come by the shim of the first.
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void leak_here(void) {
  if (open("/dev/null", O_RDONLY) < 0) abort();  // @leak
}

int main(void) {
  void* handle = dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW);
  if (!handle) {
    puts(dlerror());
    return 77;
  }
  int (*their_open)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(handle, "open");
  int (*their_close)(int) = (int (*)(int))dlsym(handle, "close");
  leak_here();
  const int fd = their_open("/etc/passwd", O_RDONLY);
  const int ours = open("/etc/group", O_RDONLY);
  printf("%d\n", their_close(ours));
  printf("%d\n", close(ours));
  printf("%d\n", fd - ours);
  return dlclose(handle);
}
