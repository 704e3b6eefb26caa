// The child that becomes the daemon closes all descriptors by close_range, and the pipe among them by which it was to
// notify its parent that it has started.
#include "scenario.h"

static int parent_pipe[2];

static void prepare_background(void) { MUST(pipe(parent_pipe) == 0); }        // @pipe
static void close_other_descriptors(void) { MUST(close_range(3, ~0U, 0) == 0); }  // @range
static void tell_parent(void) { MUST(write(parent_pipe[1], "OK", 2) == -1); }   // @sent

int main(void) {
  prepare_background();
  pid_t child = fork();
  if (child == 0) {
    close_other_descriptors();
    tell_parent();
    _exit(0);
  }
  MUST(status_of(child) == 0);
  MUST(close(parent_pipe[0]) == 0 && close(parent_pipe[1]) == 0);
  return 0;
}
