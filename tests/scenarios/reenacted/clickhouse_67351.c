// A database finds that somebody closes its descriptors, and suspects the libraries that it is made with: an insert's
// part is gone when its next block is written.
#include "scenario.h"

#include <dlfcn.h>

static void (*client_connect)(void), (*client_error)(void), (*client_destroy)(void);

static void load_client(const char* library) {
  void* client = dlopen(library, RTLD_NOW);
  MUST(client);
  *(void**)&client_connect = dlsym(client, "client_connect");
  *(void**)&client_error = dlsym(client, "client_error");
  *(void**)&client_destroy = dlsym(client, "client_destroy");
}

static int begin_part(void) { return open("part", O_CREAT | O_WRONLY, 0600); }  // @part
static int write_block(int part) { return write(part, "block", 5) == 5; }      // @written
static void end_part(int part) { MUST(close(part) == 0); }

static void finish_query(void) { client_destroy(); }

int main(int argc, char** argv) {
  MUST(argc == 2);
  load_client(argv[1]);
  end_part(begin_part());
  client_connect();
  client_error();
  int part = begin_part();
  finish_query();
  MUST(!write_block(part));
  return 0;
}
