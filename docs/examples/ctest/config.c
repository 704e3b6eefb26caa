#include <fcntl.h>
#include <string.h>

#include "fdaudit.h"

static int open_config(void) { return open("/etc/hostname", O_RDONLY); }

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  fdaudit_checkpoint(what);
  int fd = open_config();
  if (strcmp(what, "closes") == 0) close(fd);
  if (strcmp(what, "warms_up") == 0) fdaudit_checkpoint("ready");
  return fd < 0;
}
