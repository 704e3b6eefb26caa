// Duplicates: their story begins with what they were made from.
#include "scenario.h"

#include <sys/syscall.h>

static int original(void) { return open("/dev/zero", O_RDONLY); }  // @original
static int copy(int fd) { return dup(fd); }                        // @copy
static void give_up(int fd) { close(fd); }                         // @give-up

static void original_closed(void) {
  int fd = original();
  MUST(copy(fd) >= 0);
  give_up(fd);
}

static void original_open(void) {
  int fd = original();
  MUST(dup2(fd, 0) == 0);  // the original is no leak here: it is closed in the end
  int duplicate = copy(0);
  MUST(duplicate > 2);
  close(fd);
}

static void chain(void) {
  int first = original(), second = fcntl(first, F_DUPFD, 30);  // @second
  MUST(second == 30 && copy(second) >= 0);
  close(first);
  close(second);
}

// The number of the original has had two other lives since: nobody knows any more.
static void forgotten(void) {
  int fd = original();
  MUST(dup2(fd, 40) == 40);
  close(fd);
  for (int i = 0; i < 3; ++i) MUST(close(open("/dev/null", O_RDONLY)) == 0);
}

// A process that leaves nothing open gives its ledger back, and with it the originals: so these two leak those as well.

// What the child duplicates was opened by its parent, and the child never touched it before.
static void of_the_parents(void) {
  int fd = original();
  pid_t child = fork();
  if (child == 0) {
    MUST(copy(fd) >= 0);
    _exit(0);
  }
  MUST(status_of(child) == 0);
}

static void closed_twice(void) {
  int fd = original(), duplicate = copy(fd);
  close(duplicate);  // @once
  close(duplicate);  // @twice
}

// One cause, whatever the duplicates were made from.
static void many_originals(void) {
  int from[] = {original(), open("/dev/null", O_RDONLY)};
  for (int i = 0; i < 2; ++i) MUST(copy(from[i]) >= 0);
  for (int i = 0; i < 2; ++i) give_up(from[i]);
}

static void by_number(void) {
  int fd = original();
  MUST(syscall(SYS_dup, fd) > fd);  // @dup
  MUST(syscall(SYS_dup3, fd, 50, 0) == 50);  // @dup3
  MUST(syscall(SYS_fcntl, fd, F_DUPFD, 60) == 60);  // @fcntl
  close(fd);
}

static void all_closed(void) {
  int fd = original(), duplicate = copy(fd);
  MUST(dup2(duplicate, 50) == 50);
  close(fd);
  close(50);
  close(duplicate);
}

static const struct scenario kCases[] = {SCENARIO(original_closed), SCENARIO(original_open), SCENARIO(chain),
                                         SCENARIO(forgotten), SCENARIO(of_the_parents), SCENARIO(closed_twice),
                                         SCENARIO(many_originals), SCENARIO(by_number), SCENARIO(all_closed), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
