// Tasks whose thread-local storage is not libc's: made by clone(CLONE_SETTLS) with a buffer of zeros, as Chromium's
// sandbox does it, or with no storage at all, in this memory or a copy of it, by libc's function, by number, and by an
// instruction of the program's own. Prints what each achieves; run.py compares that with and without the shim.
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNPROTECTED __attribute__((noinline, optimize("no-stack-protector")))

enum { kStackSize = 64 << 10, kResults = 8 };

struct Place {
  char storage[8192];  // the thread pointer is its middle: errno lies below it
  long results[kResults];
  char stack[kStackSize];
};
static struct Place* place;

// What needs no storage: errno, cancellation points and guarded stack frames do.
UNPROTECTED static int act_without(void* unused) {
  long* results = place->results;
  results[0] = dup(0);
  results[1] = syscall(SYS_dup, 0);
  results[2] = syscall(SYS_close, (int)results[0]);
  results[3] = dup2(0, 60);
  results[4] = getpid() == syscall(SYS_getpid);
  _exit(7);
  return (int)(long)unused;
}

// Some succeed, some fail.
UNPROTECTED static int act_with(void* unused) {
  long* results = place->results;
  int ends[2];
  results[0] = open("/dev/null", O_RDONLY);
  results[1] = open("/nowhere", O_RDONLY);
  results[2] = pipe(ends);
  results[3] = close((int)results[0]) * 10 + close((int)results[0]);
  results[4] = read(999, ends, 1);
  results[5] = dup2(0, 50);
  results[6] = chdir("/") + fcntl(999, F_GETFD);
  char* arguments[] = {"true", NULL};
  results[7] = execve("/nowhere", arguments, arguments);
  syscall(SYS_exit_group, 9);
  return (int)(long)unused;
}

static void show(const char* name, pid_t child) {
  int status = -1;
  waitpid(child, &status, __WALL);
  printf("%-40s made %d, status %x:", name, child > 0, status);
  for (int i = 0; i < kResults; ++i) printf(" %ld", place->results[i]);
  printf("\n");
  memset(place, 0, sizeof *place);
}

#if defined(__x86_64__)

// clone(2) by an instruction: nobody sees it. Only what runs on this stack can be returned to, so not in this memory.
static long clone_unseen(unsigned long flags, void* storage) {
  register void* tls asm("r8") = storage;
  register long child_tid asm("r10") = 0;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(SYS_clone), "D"(flags), "S"(0L), "d"(0L), "r"(child_tid), "r"(tls)
               : "rcx", "r11", "memory");
  return result;
}

UNPROTECTED static pid_t by_instruction(void* storage, int (*act)(void*)) {
  const long child = clone_unseen(CLONE_SETTLS | SIGCHLD, storage);
  if (child == 0) act(NULL);
  return (pid_t)child;
}

#endif

UNPROTECTED static pid_t by_number(void* storage, int (*act)(void*)) {
  const long child = syscall(SYS_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, storage);
  if (child == 0) act(NULL);
  return (pid_t)child;
}

int main(void) {
  // The results are to come back from copies of this memory too.
  place = mmap(NULL, sizeof *place, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char* top = place->stack + kStackSize;
  char* storage = place->storage + sizeof place->storage / 2;
  const int here = CLONE_VM | CLONE_VFORK | CLONE_SETTLS | SIGCHLD;
  const int apart = CLONE_SETTLS | SIGCHLD;
  show("in this memory, zeros", clone(act_with, top, here | CLONE_FS, NULL, NULL, storage, NULL));
  show("in this memory and table, zeros", clone(act_with, top, here | CLONE_FILES, NULL, NULL, storage, NULL));
  close_range(3, ~0U, 0);
  show("in this memory at the same time, zeros", clone(act_with, top, here & ~CLONE_VFORK, NULL, NULL, storage, NULL));
  show("in a copy, zeros", clone(act_with, top, apart, NULL, NULL, storage, NULL));
  show("in this memory, nothing", clone(act_without, top, here, NULL, NULL, NULL, NULL));
  show("in this memory at the same time, nothing",
       clone(act_without, top, here & ~CLONE_VFORK, NULL, NULL, NULL, NULL));
  show("in a copy, nothing", clone(act_without, top, apart, NULL, NULL, NULL, NULL));
#if defined(__x86_64__)
  show("by number, zeros", by_number(storage, act_with));
  show("by number, nothing", by_number(NULL, act_without));
  show("by instruction, zeros", by_instruction(storage, act_with));
#endif
  errno = 0;
  const int opened = open("/nowhere", O_RDONLY);
  printf("afterwards %d %d\n", opened, errno);
  return 3;
}
