// "The crash is in libsystemd, the bug is in the application": the application closes its socket twice, and the second
// time it is the library's epoll set.
#include "scenario.h"

#include <dlfcn.h>
#include <sys/socket.h>

struct event_loop;
static struct event_loop* (*loop_new)(void);
static int (*loop_free)(struct event_loop*);

static int session;

static void session_end(void) { close(session); }  // @session-closed

static void session_run(void) {
  session = socket(AF_UNIX, SOCK_STREAM, 0);  // @session
  session_end();
}

int main(int argc, char** argv) {
  MUST(argc == 2);
  void* library = dlopen(argv[1], RTLD_NOW);
  MUST(library);
  *(void**)&loop_new = dlsym(library, "loop_new");
  *(void**)&loop_free = dlsym(library, "loop_free");
  MUST(loop_free(loop_new()) == 0);
  session_run();
  struct event_loop* loop = loop_new();
  session_end();
  MUST(loop_free(loop) == -1);
  return 0;
}
