// Children that libc starts by itself.
#include "scenario.h"

#include <spawn.h>

extern char** environ;

static int open_it(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(fd >= 3);
  return fd;
}

static void spawn(void) {
  int fd = open_it();
  pid_t child;
  char* arguments[] = {"true", NULL};
  MUST(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
  MUST(status_of(child) == 0);
  close(fd);
}

// The actions are the child's alone.
static void spawn_with_actions(void) {
  int fd = open_it();
  pid_t child;
  char* arguments[] = {"cat", NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fd, 0);
  posix_spawn_file_actions_addclose(&actions, fd);
  MUST(posix_spawnp(&child, "cat", &actions, NULL, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  MUST(status_of(child) == 0);
  MUST(close(fd) == 0);
}

static void by_system(void) {
  int fd = open_it();
  MUST(system("/bin/true") == 0);
  close(fd);
}

static void by_popen(void) {
  FILE* pipe = popen("/bin/echo word", "r");
  char word[16];
  MUST(pipe && fgets(word, sizeof word, pipe));
  MUST(pclose(pipe) == 0);
}

static const struct scenario kCases[] = {SCENARIO(spawn), SCENARIO(spawn_with_actions), SCENARIO(by_system),
                                         SCENARIO(by_popen), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
