// Programs that execute themselves anew, and what their images leave to the next one.
#include "scenario.h"

#include <sys/mman.h>
#include <sys/socket.h>

static const char* self;

static void again(const char* name, int generation, int fd) {
  char number[16], kept[16];
  snprintf(number, sizeof number, "%d", generation + 1);
  snprintf(kept, sizeof kept, "%d", fd);
  execl(self, self, name, number, kept, NULL);
  _exit(99);
}

static void begin_reload(void) {
  int ends[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);  // @forgotten
  close(ends[0]);
}

// Each image leaves one more.
static void forgets(int generation, int fd, int images) {
  if (generation == 0) fd = socket(AF_UNIX, SOCK_STREAM, 0);  // @listener
  if (generation == images) {
    close(fd);
    return;
  }
  begin_reload();
  again(images == 12 ? "forgets" : "forgets_few", generation, fd);
}

// Each image has its state from the one before, and closes what that left.
static void hands_over(int generation, int fd) {
  if (generation != 0) close(fd);
  if (generation == 12) return;
  fd = memfd_create("state", 0);  // @state
  again("hands_over", generation, fd);
}

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "";
  const int generation = argc > 2 ? atoi(argv[2]) : 0, fd = argc > 3 ? atoi(argv[3]) : -1;
  self = "/proc/self/exe";
  if (strcmp(name, "forgets") == 0) {
    forgets(generation, fd, 12);
  } else if (strcmp(name, "forgets_few") == 0) {
    forgets(generation, fd, 4);
  } else if (strcmp(name, "hands_over") == 0) {
    hands_over(generation, fd);
  } else {
    return 99;
  }
  return 0;
}
