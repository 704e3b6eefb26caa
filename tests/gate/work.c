// Does what its arguments say, one after the other: leak, twice (a double close), more (another leak's path), other
// (another line that leaks), clean; fail ends with status 3.
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifndef NAME
#define NAME "/etc/hostname"
#endif

static int load(void) { return open(NAME, O_RDONLY); }

static void leak(void) { load(); }

static void leak_more(void) { load(); }

static void leak_elsewhere(void) { open(NAME, O_RDONLY); }

static void close_twice(void) {
  const int fd = load();
  close(fd);
  close(fd);
}

int main(int count, char** words) {
  int status = 0;
  for (int i = 1; i < count; ++i) {
    if (strcmp(words[i], "leak") == 0) leak();
    if (strcmp(words[i], "more") == 0) leak_more();
    if (strcmp(words[i], "other") == 0) leak_elsewhere();
    if (strcmp(words[i], "twice") == 0) close_twice();
    if (strcmp(words[i], "fail") == 0) status = 3;
  }
  return status;
}
