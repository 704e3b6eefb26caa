// One function closes for everybody. That it closed a number's earlier life too says nothing about which life a second
// close meant; that it was called from the same place does.
#include "scenario.h"

static int open_other(void) { return open("/dev/null", O_WRONLY); }  // @other

static void dispose(int fd) { close(fd); }  // @dispose

static void somebody(void) {
  int fd = open_other();
  dispose(fd);  // @properly
}

static void wrapper(void) {
  somebody();
  int fd = open("/dev/zero", O_RDONLY);  // @opened
  close(fd);                             // @closed
  dispose(fd);                           // @disposed
}

static void traceback(void) {
  int fd = open("/etc/hostname", O_RDONLY);  // @source
  close(fd);                                 // @source-read
}

// The same statement disposes of it twice, and between the two another file had the number.
static void twice(void) {
  int fd = open("/dev/zero", O_RDONLY);  // @meant
  for (int i = 0; i < 2; ++i) {
    dispose(fd);
    if (i == 0) traceback();
  }
}

static const struct scenario kCases[] = {SCENARIO(wrapper), SCENARIO(twice), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
