// The library that plugins.c loads.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void plugin_constructor(void) {
  if (getenv("PLUGIN_OPENS_EARLY")) open("/dev/null", O_RDONLY);  // @constructor
}

void plugin_opens(void) {
  int fd = open("/dev/null", O_RDONLY);  // @plugin
  (void)fd;
}

void plugin_closes_twice(void) {
  int fd = open("/dev/null", O_RDONLY);  // @plugin-opened
  close(fd);                             // @plugin-closed
  close(fd);                             // @plugin-again
}
