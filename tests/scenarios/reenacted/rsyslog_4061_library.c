// A library that opens its source of randomness when it is loaded, and keeps it.
#include <fcntl.h>
#include <unistd.h>

static int randomness;

__attribute__((constructor)) static void library_init(void) { randomness = open("/dev/urandom", O_RDONLY); }  // @source
int library_random(void) {
  char byte;
  return read(randomness, &byte, 1) == 1;  // @random
}
