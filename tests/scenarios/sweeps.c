// Closing whatever may be open is no double close, even where it meets numbers that are closed already.
#include "scenario.h"

#include <dirent.h>
#include <sys/resource.h>

static int fds[5];

static void open_five(void) {
  for (int i = 0; i < 5; ++i) MUST((fds[i] = open("/dev/null", O_RDONLY)) >= 0);  // @opened
}

static void close_five(void) {
  for (int i = 0; i < 5; ++i) close(fds[i]);  // @closed
}

static void upwards(void) {
  open_five();
  close(fds[1]);
  for (int fd = 3; fd < 1024; ++fd) close(fd);
}

static void downwards(void) {
  open_five();
  close(fds[1]);
  for (int fd = 1023; fd >= 3; --fd) close(fd);
}

static void twice(void) {
  open_five();
  for (int i = 0; i < 2; ++i) {
    for (int fd = 3; fd < 256; ++fd) close(fd);
  }
}

static void with_kept_numbers(void) {
  open_five();
  close(fds[0]);
  for (int fd = 3; fd < 256; ++fd) {
    if (fd != fds[2] && fd != fds[4] && fd != 100) close(fd);
  }
  close(fds[2]);
  close(fds[4]);
}

static void with_close_range(void) {
  open_five();
  close_five();
  MUST(close_range(3, ~0U, 0) == 0);
  MUST(close_range(3, ~0U, 0) == 0);
}

static void with_closefrom(void) {
  open_five();
  close(fds[2]);
  closefrom(3);
  closefrom(3);
}

static void closes_listed(void) {
  open_five();
  close(fds[2]);
  DIR* dir = opendir("/proc/self/fd");
  MUST(dir);
  for (struct dirent* entry; (entry = readdir(dir));) {
    int fd = atoi(entry->d_name);
    if (fd >= 3 && fd != dirfd(dir)) close(fd);
  }
  closedir(dir);
}

// Collects the numbers first; the list holds the listing's own descriptor, closed by then.
static void closes_listed_afterwards(void) {
  int listed[64], count = 0;
  open_five();
  DIR* dir = opendir("/proc/self/fd");
  MUST(dir);
  for (struct dirent* entry; (entry = readdir(dir)) && count < 64;) {
    if (atoi(entry->d_name) >= 3) listed[count++] = atoi(entry->d_name);
  }
  closedir(dir);
  for (int i = 0; i < count; ++i) close(listed[i]);
}

// A daemon in the making: everything up to the limit goes, the standard streams too.
static void all_in_fork_child(void) {
  open_five();
  close(fds[3]);
  pid_t child = fork();
  if (child == 0) {
    for (int fd = 0; fd < 1024; ++fd) close(fd);
    MUST(open("/dev/null", O_RDWR) == 0);
    MUST(dup(0) == 1 && dup(0) == 2);
    _exit(0);
  }
  MUST(status_of(child) == 0);
  close_range(3, ~0U, 0);
}

// A million numbers, as old daemons do it.
static void million(void) {
  struct rlimit limit = {1048576, 1048576};
  setrlimit(RLIMIT_NOFILE, &limit);
  open_five();
  for (int fd = 3; fd < 1048576; ++fd) close(fd);
}

// No sweep: every number was open once, and closed. These are five double closes.
static void once_open_numbers(void) {
  open_five();
  close_five();
  for (int fd = fds[0]; fd <= fds[4]; ++fd) close(fd);  // @again
}

static const struct scenario kCases[] = {SCENARIO(upwards),
                                         SCENARIO(downwards),
                                         SCENARIO(twice),
                                         SCENARIO(with_kept_numbers),
                                         SCENARIO(with_close_range),
                                         SCENARIO(with_closefrom),
                                         SCENARIO(closes_listed),
                                         SCENARIO(closes_listed_afterwards),
                                         SCENARIO(all_in_fork_child),
                                         SCENARIO(million),
                                         SCENARIO(once_open_numbers),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
