// Numbers that are chosen on purpose: freed before something is put there, or given something else behind them. Not
// findings; beside each its careless twin.
#include "scenario.h"

static int config(void) { return open("/etc/passwd", O_RDONLY | O_CLOEXEC); }

// --- close what may be there, then put something there -----------------------------------------------------------------

static void put_on(int from, int number) {
  close(number);
  MUST(fcntl(from, F_DUPFD, number) == number);
  close(from);
}
static void put_on_by_dup2(int from, int number) {
  close(number);
  MUST(dup2(from, number) == number);
  close(from);
}
// What was there, if anything, is kept.
static int set_aside(int number) {
  int kept = fcntl(number, F_DUPFD, 20);
  close(number);
  return kept;
}
static int on_seven(void) {
  int fd = config();
  MUST(dup2(fd, 7) == 7);
  close(fd);
  return 7;
}

static void never_open(void) {
  put_on(config(), 7);
  close(7);
}
static void by_dup2(void) {
  put_on_by_dup2(config(), 7);
  close(7);
}
static void closed_by_others(void) {
  close(on_seven());
  put_on(config(), 7);
  close(7);
}
static void asked_in_vain(void) {
  close(on_seven());
  int fd = config();
  MUST(set_aside(7) == -1 && dup2(fd, 7) == 7);
  close(fd);
  close(7);
}
// Others put something there, for reasons of their own.
static void close_seven(void) { close(7); }  // @close-again
static void no_room_made(void) {
  close(on_seven());  // @closed
  close_seven();
  close(on_seven());
}

// --- something else behind a number --------------------------------------------------------------------------------------

static void rotate(int log) {
  int fresh = open("/dev/null", O_WRONLY | O_CLOEXEC);
  MUST(dup2(fresh, log) == log);  // @rotated
  close(fresh);
}
static void rotated(void) {
  int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
  rotate(log);
  rotate(log);
  MUST(write(log, "x", 1) == 1);
  close(log);
}
static void rotated_and_closed_twice(void) {
  int log = open("/dev/null", O_WRONLY | O_CLOEXEC);
  rotate(log);
  close(log);
  close(log);  // @log-again
}

// --- close_range of one number ---------------------------------------------------------------------------------------------

static void close_one(int fd) { MUST(close_range((unsigned)fd, (unsigned)fd, 0) == 0); }  // @one
static void one_once(void) {
  close_one(config());
  close_one(77);
}
static void one_twice(void) {
  int fd = config();
  close(fd);
  close_one(fd);
}
// All but what is kept: the gaps may be one wide.
static void close_all_but(const int* kept, int count) {
  unsigned first = 3;
  for (int i = 0; i <= count; ++i) {
    unsigned last = i < count ? (unsigned)kept[i] - 1 : ~0u;
    if (first <= last) MUST(close_range(first, last, 0) == 0);
    first = last + 2;
  }
}
static void gaps(void) {
  for (int fd = 3; fd < 12; ++fd) MUST(config() == fd);
  for (int fd = 3; fd < 12; ++fd) close(fd);
  int three = config(), four = config();
  MUST(three == 3 && four == 4);
  close(three);
  close_all_but((int[]){4, 6, 8}, 3);
  close(four);
}

int main(int argc, char** argv) {
  static const struct scenario kCases[] = {SCENARIO(never_open),
                                           SCENARIO(by_dup2),
                                           SCENARIO(closed_by_others),
                                           SCENARIO(asked_in_vain),
                                           SCENARIO(no_room_made),
                                           SCENARIO(rotated),
                                           SCENARIO(rotated_and_closed_twice),
                                           SCENARIO(one_once),
                                           SCENARIO(one_twice),
                                           SCENARIO(gaps),
                                           {NULL, NULL}};
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
