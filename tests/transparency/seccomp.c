// Seccomp as programs use it: questions that enter nothing (a filter at address 0, an unknown mode), by each way there
// is; strict mode, in which nothing but read, write and exit is allowed, and the time-stamp counter is not. Prints what
// comes of it; run.py compares that with and without the shim. And the counter alone forbidden: prctl(PR_SET_TSC).
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char* what, long result) { printf("%s: %ld %d\n", what, result, result < 0 ? errno : 0); }

static void ask(void) {
  show("no filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0));
  show("filter at a bad address", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 8, 0, 0));
  show("unknown mode", prctl(PR_SET_SECCOMP, 77, 0, 0, 0));
  show("mode", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  show("no filter by number", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL));
  show("flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, NULL));
  show("unknown flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 30, NULL));
  show("prctl by number", syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0));
  fflush(stdout);
}

// What it starts may not read the counter either.
static void without_counter(int by_number) {
  if (by_number) {
    syscall(SYS_prctl, PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
  } else {
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
  }
  const int fd = open("/dev/null", O_RDONLY);
  close(fd);
  show("closed twice", close(fd));
  fflush(stdout);
  execl("/bin/sh", "sh", "-c", "exec 7</dev/null; exec true", NULL);
}

// A filter that forbids what the program does not do, entered past every library.
static void by_hand(void) {
  static struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 2, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  static const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#if defined(__x86_64__)
  long result;
  register long arguments asm("r10") = 0;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(SYS_seccomp), "D"(SECCOMP_SET_MODE_FILTER), "S"(0), "d"(&program), "r"(arguments)
               : "rcx", "r11", "memory");
  if (result != 0) _exit(9);
#else
  (void)program;
#endif
  const int fd = open("/dev/null", O_RDONLY);
  close(fd);
  show("closed twice", close(fd));
  exit(0);
}

static void leak(void) { open("/dev/null", O_RDONLY); }

static void strictly(int by_number) {
  static const char kText[] = "strict\n", kRead[] = "read -1\n";
  char byte;
  const long entered = by_number ? syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL)
                                 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
  if (entered != 0) _exit(9);
  if (write(1, kText, strlen(kText)) < 0) syscall(SYS_exit, 8);
  if (read(99, &byte, 1) == -1 && write(1, kRead, strlen(kRead)) > 0) syscall(SYS_exit, 7);
  syscall(SYS_exit, 6);
}

static void wait_for(pid_t child) {
  int status;
  waitpid(child, &status, 0);
  printf("status %x\n", status);
  fflush(stdout);
}

int main(void) {
  ask();
  pid_t child = fork();
  if (child == 0) {
    leak();
    exit(0);
  }
  wait_for(child);
  for (int by_number = 0; by_number < 2; ++by_number) {
    child = fork();
    if (child == 0) {
      close(open("/dev/null", O_RDONLY));
      strictly(by_number);
    }
    wait_for(child);
  }
  for (int by_number = 0; by_number < 2; ++by_number) {
    child = fork();
    if (child == 0) without_counter(by_number);
    wait_for(child);
  }
  child = fork();
  if (child == 0) by_hand();
  wait_for(child);
  child = fork();
  if (child == 0) execl("/bin/sh", "sh", "-c", "exec 7</dev/null; exec true", NULL);
  wait_for(child);
  leak();
  return 3;
}
