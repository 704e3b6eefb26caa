// Takes the room of a trace, by its first argument, and then does what must be reported all the same: a leak in leak()
// and a double close in close_twice().
//   pairs N       opens and closes N times
//   fork N        N children that exit
//   exec N        N programs by vfork and exec
//   both N        N forked children that open and close something and exec a program
//   notes N       as exec, with a descriptor that crosses
//   paths N       opens and closes on 2 to the power of N call paths; the rest is done by nine functions
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define APART __attribute__((noinline))

APART static int pair(void) { return close(dup(0)); }

APART static void leak(void) { open("/etc/hostname", O_RDONLY | O_CLOEXEC); }

APART static void close_twice(void) {
  const int fd = dup(0);
  close(fd);
  close(fd);
}

APART static int walk(int depth) {
  if (depth == 0) return pair();
  const int left = walk(depth - 1);
  __asm__ volatile("" ::: "memory");
  const int right = walk(depth - 1);
  __asm__ volatile("" ::: "memory");
  return left + right;
}

#define HOLDER(n)                                \
  APART static void hold_##n(void) {             \
    open("/etc/hostname", O_RDONLY | O_CLOEXEC); \
    __asm__ volatile("");                        \
  }
HOLDER(1)
HOLDER(2)
HOLDER(3) HOLDER(4) HOLDER(5) HOLDER(6) HOLDER(7) HOLDER(8)

    static void start(int forks, int opens) {
  const pid_t child = forks ? fork() : vfork();
  if (child == 0) {
    if (forks && opens) pair();
    if (!forks || opens) execl("/bin/true", "true", NULL);
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

int main(int count, char** words) {
  if (count != 3) return 2;
  const char* what = words[1];
  const int times = atoi(words[2]);
  if (strcmp(what, "paths") == 0) {
    walk(times);
    hold_1();
    hold_2();
    hold_3();
    hold_4();
    hold_5();
    hold_6();
    hold_7();
    hold_8();
  } else {
    if (strcmp(what, "notes") == 0) open("/dev/null", O_RDONLY);
    for (int i = 0; i < times; ++i) {
      if (strcmp(what, "pairs") == 0) {
        pair();
      } else {
        start(strcmp(what, "fork") == 0 || strcmp(what, "both") == 0, strcmp(what, "both") == 0);
      }
    }
  }
  leak();
  close_twice();
  return 0;
}
