// Functions that a program looks up in libc itself, as ctypes, Fiddle and JNA do; and what ioctl opens.
#include "scenario.h"

#include <dlfcn.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

typedef int (*open_function)(const char*, int, ...);
typedef int (*close_function)(int);

static open_function found_open(void) { return (open_function)dlsym(dlopen("libc.so.6", RTLD_NOW), "open"); }
static close_function found_close(void) {
  return (close_function)dlvsym(dlopen("libc.so.6", RTLD_NOW), "close", "GLIBC_2.2.5");
}

static void leaks(void) {
  open_function opens = found_open();
  for (int i = 0; i < 9; ++i) MUST(opens("/dev/null", O_RDONLY) >= 3);  // @leaked
}

static void closes_twice(void) {
  open_function opens = found_open();
  close_function closes = found_close();
  int fd = opens("/dev/null", O_RDONLY);
  MUST(closes(fd) == 0 && closes(fd) == -1);  // @again
}

static void tidy(void) {
  open_function opens = found_open();
  for (int i = 0; i < 9; ++i) MUST(found_close()(opens("/dev/null", O_RDONLY)) == 0);
}

// Of another object's own function nothing is replaced.
int counted;
__attribute__((visibility("default"))) int dup(int fd) {
  ++counted;
  return (int)syscall(SYS_dup, fd);
}
static void own_function(void) {
  int (*own)(int) = (int (*)(int))dlsym(dlopen(NULL, RTLD_NOW), "dup");
  MUST(own == dup);
  MUST(close(own(0)) == 0 && counted == 1);
}

static int terminal(void) {
  int fd = posix_openpt(O_RDWR | O_NOCTTY);
  if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0) _exit(77);
  return fd;
}
static int peer_of(int fd) {
  int peer = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);  // @peer
  if (peer < 0) _exit(77);
  return peer;
}

static void leaks_peer(void) {
  int fd = terminal();
  peer_of(fd);
  MUST(close(fd) == 0);
}

static void peer_twice(void) {
  int fd = terminal();
  int peer = (int)syscall(SYS_ioctl, fd, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  if (peer < 0) _exit(77);
  MUST(close(peer) == 0 && close(peer) == -1);  // @peer-again
  MUST(close(fd) == 0);
}

static void tidy_peer(void) {
  int fd = terminal();
  MUST(close(peer_of(fd)) == 0 && close(fd) == 0);
}

int main(int argc, char** argv) {
  static const struct scenario table[] = {
      SCENARIO(leaks),      SCENARIO(closes_twice), SCENARIO(tidy),      SCENARIO(own_function),
      SCENARIO(leaks_peer), SCENARIO(peer_twice),   SCENARIO(tidy_peer), {NULL, NULL}};
  run_scenario(table, argc > 1 ? argv[1] : NULL);
  return 0;
}
