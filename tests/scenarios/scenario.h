#pragma once

// What scenario programs share. A program holds several cases of one situation; its first argument chooses. They keep
// step by pipes and joins, never by time.

#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

// Ends the program with status 99 where the situation could not be set up: such a scenario proves nothing.
#define MUST(condition)                                                   \
  do {                                                                    \
    if (!(condition)) {                                                   \
      fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, #condition); \
      _exit(99);                                                          \
    }                                                                     \
  } while (0)

struct scenario {
  const char* name;
  void (*run)(void);
};

#define SCENARIO(name) \
  { #name, name }

static inline void run_scenario(const struct scenario* table, const char* wanted) {
  for (; table->name; ++table) {
    if (wanted && strcmp(table->name, wanted) == 0) {
      table->run();
      return;
    }
  }
  fprintf(stderr, "no such case: %s\n", wanted ? wanted : "(none)");
  _exit(99);
}

// One byte through a pipe: "I am there". A signal in between does not count.
static inline void send_byte(int fd) {
  while (write(fd, "x", 1) != 1) MUST(errno == EINTR);
}
static inline void await(int fd) {
  char byte;
  while (read(fd, &byte, 1) != 1) MUST(errno == EINTR);
}

// Waits for a child; its exit status, or 128 and the signal.
static inline int status_of(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) != child) MUST(errno == EINTR);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
