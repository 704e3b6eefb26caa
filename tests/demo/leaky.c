// A small server's worth of descriptor bugs, for `make demo`: a configuration that is read on every request and never
// closed, and a connection that its handler closes before its owner does.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int load_config(const char* path) {
  char text[64];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  return read(fd, text, sizeof text) > 0;  // the descriptor is forgotten here
}

static void handle(int connection) {
  char request[16];
  if (read(connection, request, sizeof request) <= 0) close(connection);
}

static void serve(int requests) {
  for (int i = 0; i < requests; ++i) {
    int ends[2];
    if (pipe(ends) != 0 || !load_config("/etc/hostname")) return;
    close(ends[1]);
    handle(ends[0]);  // closes it at the end of the input …
    close(ends[0]);   // … and so does its owner
  }
}

int main(void) {
  serve(10);
  puts("served");
  return 0;
}
