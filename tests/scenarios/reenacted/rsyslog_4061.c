// A daemon closes all that it doesn't know, and a library's descriptor with it.
#include "scenario.h"

#include <dlfcn.h>

static void become_daemon(void) {
  for (int fd = 3; fd < 100; ++fd) close(fd);  // @loop
}

int main(int argc, char** argv) {
  MUST(argc == 2);
  void* library = dlopen(argv[1], RTLD_NOW);
  MUST(library);
  int (*library_random)(void);
  *(void**)&library_random = dlsym(library, "library_random");
  MUST(library_random());
  become_daemon();
  MUST(!library_random());
  return 0;
}
