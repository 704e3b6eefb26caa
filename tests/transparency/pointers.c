// Pointers that lead nowhere, to the calls that start programs and processes: the kernel answers EFAULT. Each call in a
// process of its own; run.py compares what becomes of it with and without the shim.
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

enum { kPage = 4096 };

// No memory at all; memory that may not be read; a text, and an array, that run into such memory.
static char* nowhere[4];
static char* usual[] = {"true", NULL};
static char* half_bad[] = {"A=1", NULL, NULL};  // the second entry is set below

static char* before_the_end(const void* content, size_t size) {
  char* pages = mmap(NULL, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(pages + kPage - size, content, size);
  mprotect(pages + kPage, kPage, PROT_NONE);
  return pages + kPage - size;
}

static long start(int how, char* path, char** arguments, char** environment) {
  pid_t pid;
  int status = 0;
  switch (how) {
    case 0:
      return execve(path, arguments, environment);
    case 1:
      return execveat(AT_FDCWD, path, arguments, environment, 0);
    case 2:
      return execveat(AT_FDCWD, path, arguments, environment, AT_EMPTY_PATH);
    case 3:
      return execle(path, "true", NULL, environment);
    case 4:
      return execv(path, arguments);
    case 5:
      return syscall(SYS_execve, path, arguments, environment);
    case 6:
      return fexecve(open("/bin/true", O_RDONLY), arguments, environment);
    case 7:
      return execvpe("true", arguments, environment);
    default:
      break;
  }
  const int error = posix_spawn(&pid, path, NULL, NULL, arguments, environment);
  if (error == 0) waitpid(pid, &status, 0);
  errno = error;
  return error == 0 ? status : -1;
}
enum { kWays = 9 };

static void clone_with(void* arguments, size_t size) {
  const long child = syscall(SYS_clone3, arguments, size);
  if (child == 0) _exit(0);
  printf("%ld %d\n", child > 0 ? 1 : child, child < 0 ? errno : 0);
}

static void apart(const char* name, int way, int bad, void (*call)(int way, int bad)) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    errno = 0;
    call(way, bad);
    fflush(stdout);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  printf("%s, way %d, pointer %d: status %x\n", name, way, bad, status);
}

static void show(long result) { printf("%ld %d ", result, errno); }
static void bad_path(int way, int bad) { show(start(way, nowhere[bad], usual, environ)); }
static void bad_arguments(int way, int bad) { show(start(way, "/bin/true", (char**)nowhere[bad], environ)); }
static void bad_environment(int way, int bad) { show(start(way, "/bin/true", usual, (char**)nowhere[bad])); }
static void bad_entry(int way, int bad) {
  half_bad[1] = nowhere[bad];
  show(start(way, "/bin/true", usual, half_bad));
}
static void no_program(int way, int bad) { show(start(way, "/nowhere", usual, (char**)nowhere[bad])); }
static void bad_clone(int way, int bad) { clone_with(nowhere[bad], way == 0 ? 64 : way == 1 ? 88 : 0); }

int main(void) {
  nowhere[0] = NULL;
  nowhere[1] = (char*)8;
  nowhere[2] = before_the_end("", 1) + 1;
  nowhere[3] = before_the_end("aaaaaaaa", 8);
  for (int bad = 0; bad < 4; ++bad) {
    for (int way = 0; way < kWays; ++way) {
      const int is_by_libc = way == 4 || way == 7;  // libc itself reads what these are given
      apart("path", way, bad, bad_path);
      if (bad != 0) apart("arguments", way, bad, bad_arguments);
      if (bad != 0 && !is_by_libc) apart("environment", way, bad, bad_environment);
      if (bad != 0) apart("entry", way, bad, bad_entry);
      if (!is_by_libc) apart("no program", way, bad, no_program);
    }
    for (int way = 0; way < 3; ++way) apart("clone3", way, bad, bad_clone);
  }
  return 3;
}
