// Programs that libc starts.
#pragma once

#include <spawn.h>

extern FILE* _IO_popen(const char*, const char*);

static int spawned(int (*function)(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                                   char* const*, char* const*),
                   const char* program) {
  posix_spawn_file_actions_t actions;
  pid_t child = 0;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 9, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, 9, 0);
  posix_spawn_file_actions_addclose(&actions, 9);
  const int error = function(&child, program, &actions, NULL, arguments, environment);
  posix_spawn_file_actions_destroy(&actions);
  return error ? error : reaped(child);
}

static int closed_shell(void) {
  FILE* shell = popen("exit 3", "r");
  close(fileno(shell));
  return pclose(shell);
}

// More than fits.
static FILE* no_shell(FILE* (*function)(const char*, const char*)) {
  while (open("/", O_RDONLY) >= 0) continue;
  return function("true", "r");
}

#define SPAWN_CALLS(CALL)                                                                          \
  CALL(posix_spawn, "-", spawned(posix_spawn, "/bin/echo"), spawned(posix_spawn, "/nowhere/x"))    \
  CALL(posix_spawnp, "-", spawned(posix_spawnp, "echo"), spawned(posix_spawnp, "no-such-program")) \
  CALL(system, "-", system("echo executed; exit 3"), system("exec no-such-program 2>/dev/null"))   \
  CALL(popen, "pipe", good(popen("exit 3", "r")), good(no_shell(popen)))                           \
  CALL(_IO_popen, "pipe", good(_IO_popen("exit 3", "r")), good(no_shell(_IO_popen)))               \
  CALL(pclose, "-", pclose(popen("cat; exit 3", "w")), closed_shell())
