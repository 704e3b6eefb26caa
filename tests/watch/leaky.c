// Leaks a file for each byte that it reads, and reports that it has.
#include <fcntl.h>
#include <unistd.h>

static void leak_one(void) { open("/etc/hostname", O_RDONLY); }

static void keep_other(void) { open("/etc/passwd", O_RDONLY); }

int main(void) {
  char byte;
  keep_other();
  while (read(0, &byte, 1) == 1) {
    leak_one();
    if (write(1, &byte, 1) != 1) return 1;
  }
  return 0;
}
