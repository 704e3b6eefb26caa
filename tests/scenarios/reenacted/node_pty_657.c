// Each terminal's program inherits the masters of the terminals that were there before.
#include "scenario.h"

#include <pty.h>

static int open_terminal(pid_t* child) {
  int master;
  *child = forkpty(&master, NULL, NULL, NULL);  // @terminal
  MUST(*child >= 0);
  if (*child == 0) {
    execl("/bin/sh", "sh", "-c", "echo; read line", NULL);
    _exit(97);
  }
  await(master);  // the program runs
  return master;
}

static void close_terminal(int master, pid_t child) {
  MUST(close(master) == 0);
  status_of(child);
}

int main(void) {
  pid_t children[2];
  int first = open_terminal(&children[0]);
  int second = open_terminal(&children[1]);
  close_terminal(second, children[1]);
  close_terminal(first, children[0]);
  return 0;
}
