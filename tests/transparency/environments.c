// Starts programs from a thread with the smallest stack there is, and an environment of $1 entries: what the next
// program gets is not made on that stack.
#define _GNU_SOURCE 1

#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static char* arguments[] = {"env", NULL};

static void show(const char* how, pid_t child) {
  int status = -1;
  if (child > 0) waitpid(child, &status, 0);
  dprintf(1, "%s: %x\n", how, status);
}

static void* start(void* unused) {
  pid_t child = -1;
  if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) != 0) child = -1;
  show("posix_spawn", child);
  child = vfork();
  if (child == 0) {
    execve("/bin/true", arguments, environ);
    _exit(1);
  }
  show("vfork and exec", child);
  child = fork();
  if (child == 0) {
    execve("/nowhere", arguments, environ);
    execv("/bin/true", arguments);
    _exit(1);
  }
  show("fork and exec", child);
  return unused;
}

// What vfork's children have used is not left here.
static long mappings(void) {
  long lines = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  for (int c; (c = fgetc(maps)) != EOF;) lines += c == '\n';
  fclose(maps);
  return lines;
}

int main(int argc, char** argv) {
  for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; --i) {
    char* entry = malloc(40);
    snprintf(entry, 40, "VARIABLE_%d=value", i);
    putenv(entry);
  }
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  char* stack = mmap(NULL, PTHREAD_STACK_MIN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_attr_setstack(&attributes, stack, PTHREAD_STACK_MIN);
  long before = 0;
  for (int i = 0; i < 8; ++i) {
    if (i == 2) before = mappings();
    pthread_t thread;
    if (pthread_create(&thread, &attributes, start, NULL) != 0) return 1;
    pthread_join(thread, NULL);
  }
  printf("%s\n", mappings() > before + 2 ? "mappings are left" : "nothing is left");
  return 3;
}
