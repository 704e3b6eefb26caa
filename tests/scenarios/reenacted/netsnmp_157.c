// A persistent helper's pipes are streams, and the numbers that they were made of are closed too.
#include "scenario.h"

struct helper {
  FILE* input;
  int input_fd;
};

static void start_helper(struct helper* helper) {
  int ends[2];
  MUST(pipe(ends) == 0);  // @pipe
  helper->input_fd = ends[0];
  helper->input = fdopen(ends[0], "r");
  MUST(close(ends[1]) == 0);
}

static void stop_helper(struct helper* helper) {
  fclose(helper->input);     // @stream-closed
  close(helper->input_fd);   // @number-closed
}

int main(void) {
  struct helper helper;
  start_helper(&helper);
  stop_helper(&helper);
  return 0;
}
