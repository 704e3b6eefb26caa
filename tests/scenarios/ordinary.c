// What careful programs do all day. None of it is a finding.
#include "scenario.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/socket.h>

static void nothing(void) {}

static void redirect_dance(void) {
  for (int i = 0; i < 3; ++i) {
    int saved = dup(1);
    int fd = open("out", O_WRONLY | O_CREAT | O_APPEND, 0600);
    MUST(dup2(fd, 1) == 1);
    close(fd);
    MUST(write(1, "line\n", 5) == 5);
    MUST(dup2(saved, 1) == 1);
    close(saved);
  }
}

static void reopened_stream(void) {
  FILE* file = fopen("/dev/null", "r");
  MUST(file && freopen("/dev/zero", "r", file));
  fclose(file);
}

static void reopened_stdout(void) {
  MUST(freopen("out", "w", stdout));
  puts("to the file");
}

static void fdopened(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
  FILE* reader = fdopen(ends[0], "r");
  FILE* writer = fdopen(ends[1], "w");
  fclose(writer);
  fclose(reader);
}

static void fdopened_directory(void) {
  DIR* dir = fdopendir(open("/", O_RDONLY | O_DIRECTORY));
  MUST(dir && readdir(dir));
  closedir(dir);
}

// The same number over and over: that is reuse, not a second close.
static void number_reused(void) {
  int first = open("/dev/null", O_RDONLY);
  close(first);
  for (int i = 0; i < 1000; ++i) {
    int fd = open("/dev/zero", O_RDONLY);
    MUST(fd == first);
    close(fd);
  }
}

static void dup2_onto_itself(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(dup2(fd, fd) == fd);
  MUST(dup3(fd, fd, 0) == -1 && errno == EINVAL);
  close(fd);
}

static void dup2_over_open_number(void) {
  int fd = open("/dev/null", O_RDONLY), other = open("/dev/zero", O_RDONLY);
  MUST(dup2(fd, other) == other);
  close(fd);
  close(other);
}

static void failures(void) {
  int ends[2] = {7, 7};
  MUST(open("/nowhere", O_RDONLY) == -1 && errno == ENOENT);
  MUST(openat(-1, "x", O_RDONLY) == -1 && errno == EBADF);
  MUST(!fopen("/nowhere", "r") && errno == ENOENT);
  MUST(!opendir("/dev/null") && errno == ENOTDIR);
  MUST(!fdopen(999, "r") && errno == EBADF);
  MUST(dup(999) == -1 && errno == EBADF);
  MUST(dup2(999, 5) == -1 && errno == EBADF);
  MUST(fcntl(999, F_DUPFD, 3) == -1 && errno == EBADF);
  MUST(socket(-1, 0, 0) == -1);
  MUST(accept(0, NULL, NULL) == -1);
  MUST(pipe2(ends, ~0) == -1 && errno == EINVAL && ends[0] == 7);
  MUST(socketpair(AF_INET, SOCK_STREAM, 0, ends) == -1);  // Linux stores two numbers all the same
}

static void probes(void) {
  for (int fd = 3; fd < 100; ++fd) MUST(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
}

// Its number is free for the next open, and stdin is closed once more at the end by who owns it.
static void standard_input_closed(void) {
  close(0);
  MUST(open("/dev/null", O_RDONLY) == 0);
}

static int kept = -1;
static void close_kept(void) { close(kept); }

static void closed_by_exit_handler(void) {
  MUST(atexit(close_kept) == 0);
  kept = open("/dev/null", O_RDONLY);
}

__attribute__((destructor)) static void close_last(void) {
  if (kept >= 500) close(kept);
}

static void closed_by_destructor(void) { MUST((kept = fcntl(0, F_DUPFD, 500)) >= 500); }

static void high_number(void) {
  struct rlimit limit;
  MUST(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  int highest = limit.rlim_max < 500000 ? (int)limit.rlim_max - 1 : 500000;
  int fd = fcntl(0, F_DUPFD, highest);
  MUST(fd == highest);
  close(fd);
}

static const struct scenario kCases[] = {SCENARIO(nothing),
                                         SCENARIO(redirect_dance),
                                         SCENARIO(reopened_stream),
                                         SCENARIO(reopened_stdout),
                                         SCENARIO(fdopened),
                                         SCENARIO(fdopened_directory),
                                         SCENARIO(number_reused),
                                         SCENARIO(dup2_onto_itself),
                                         SCENARIO(dup2_over_open_number),
                                         SCENARIO(failures),
                                         SCENARIO(probes),
                                         SCENARIO(standard_input_closed),
                                         SCENARIO(closed_by_exit_handler),
                                         SCENARIO(closed_by_destructor),
                                         SCENARIO(high_number),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
