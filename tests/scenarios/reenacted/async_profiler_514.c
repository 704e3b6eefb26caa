// The kernel's symbols are read through a stream made of a number; both are closed.
#include "scenario.h"

static void parse_symbols(int fd) {
  char line[256];
  FILE* file = fdopen(fd, "r");
  MUST(file && fgets(line, sizeof line, file));
  fclose(file);  // @parsed
}

static void load_symbols(void) {
  int fd = open("/proc/self/status", O_RDONLY);  // @symbols
  parse_symbols(fd);
  close(fd);  // @again
}

int main(void) {
  load_symbols();
  return 0;
}
