// Stripped of all but its dynamic symbols: a static function must not get its neighbour's name.
#include "scenario.h"

void exported_before(void) { getppid(); }

static __attribute__((noinline)) int hidden_open(void) {
  int fd = open("/dev/null", O_RDONLY);
  __asm__ volatile("" : "+r"(fd));
  return fd;
}

__attribute__((noinline)) int exported_after(void) {
  int fd = hidden_open();
  __asm__ volatile("" : "+r"(fd));
  return fd;
}

int main(void) {
  exported_before();
  int fd = exported_after();
  __asm__ volatile("" : "+r"(fd));
  return fd < 0;
}
