// A forked child closes the number of a stream that it has inherited, and opens a file of its own, which gets that
// number: what it prints into the stream lands in the file. And children that do with their streams as they may.
#include "scenario.h"

static char folder[] = "/tmp/child_streams.XXXXXX";
static char path[64];

static int open_own(void) { return open(path, O_RDWR | O_CREAT | O_TRUNC, 0600); }

static void in_child(void (*body)(FILE*)) {
  FILE* stream = fopen("/dev/null", "w");  // @stream
  MUST(stream != NULL && fflush(stdout) == 0);
  pid_t child = fork();
  if (child == 0) {
    body(stream);
    exit(0);
  }
  MUST(status_of(child) == 0);
  MUST(fclose(stream) == 0);
}

static void prints(FILE* stream) {
  int number = fileno(stream);
  close(number);  // @taken
  MUST(open_own() == number);
  fputs("lost\n", stream);
}
static void printed_at_exit(void) { in_child(prints); }

static void prints_and_flushes(FILE* stream) {
  int number = fileno(stream);
  close(number);  // @taken-flushed
  MUST(open_own() == number);
  fputs("lost\n", stream);
  MUST(fflush(stream) == 0);
  MUST(close(number) == 0);
}
static void printed_and_closed(void) { in_child(prints_and_flushes); }

// --- right

static void writes_itself(FILE* stream) {
  int number = fileno(stream);
  close(number);
  MUST(open_own() == number);
  MUST(write(number, "own\n", 4) == 4 && close(number) == 0);
}
static void never_printed(void) { in_child(writes_itself); }

static void closes_stream(FILE* stream) {
  int number = fileno(stream);
  fclose(stream);
  MUST(open_own() == number);
  MUST(write(number, "own\n", 4) == 4 && close(number) == 0);
}
static void closed_as_stream(void) { in_child(closes_stream); }

// Its standard output is redirected, which printf is to follow.
static void redirects(FILE* stream) {
  int fd = open_own();
  MUST(dup2(fd, fileno(stream)) == fileno(stream) && close(fd) == 0);
  fputs("on purpose\n", stream);
  MUST(fclose(stream) == 0);
}
static void redirected(void) { in_child(redirects); }

int main(int argc, char** argv) {
  static const struct scenario table[] = {SCENARIO(printed_at_exit), SCENARIO(printed_and_closed),
                                          SCENARIO(never_printed),   SCENARIO(closed_as_stream),
                                          SCENARIO(redirected),      {NULL, NULL}};
  MUST(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/own", folder);
  run_scenario(table, argc > 1 ? argv[1] : NULL);
  unlink(path);
  rmdir(folder);
  return 0;
}
