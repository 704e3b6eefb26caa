// Many findings in many processes:   findings PROCESSES LEAKS [own]
//
// Each process leaves LEAKS descriptors open, every one by a call path of its own; with "own" by call paths that no other
// process has, else all processes have the same ones. A call path is a number, written in calls of two functions.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int zero(unsigned path, int bits);
static int one(unsigned path, int bits);
static int (*volatile const digits[])(unsigned, int) = {zero, one};

static int leak(unsigned path, int bits) {
  if (bits != 0) return digits[path & 1](path >> 1, bits - 1) + 1;
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}
__attribute__((noinline)) static int zero(unsigned path, int bits) { return leak(path, bits) + 1; }
__attribute__((noinline)) static int one(unsigned path, int bits) { return leak(path, bits) + 2; }

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const int processes = atoi(argv[1]), leaks = atoi(argv[2]);
  const int apart = argc > 3 && strcmp(argv[3], "own") == 0;
  const struct rlimit limit = {(rlim_t)leaks + 100, (rlim_t)leaks + 100};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return perror("setrlimit"), 1;
  for (int process = 0; process < processes; ++process) {
    const pid_t child = fork();
    if (child < 0) return perror("fork"), 1;
    if (child == 0) {
      for (int i = 0; i < leaks; ++i) leak((unsigned)(apart ? process * leaks + i : i), 17);
      exit(0);
    }
  }
  int failed = 0;
  for (int status; wait(&status) > 0;) failed |= status;
  return failed != 0;
}
