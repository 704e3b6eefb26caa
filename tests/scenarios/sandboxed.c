// Programs under seccomp: a filter answers every system call but a few with death, ours included.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "scenario.h"

#define ALLOW(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                      ALLOW(SYS_openat), ALLOW(SYS_close), ALLOW(SYS_exit_group),
                                      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
static const struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};

static int open_it(void) { return open("/etc/passwd", O_RDONLY); }  // @opened

static void use_descriptors(void) {
  for (int i = 0; i < 2000; ++i) close(open_it());
  int fd = open_it();
  close(fd);  // @closed
  close(fd);  // @again
}

static void by_prctl(void) {
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  use_descriptors();
}

static void by_system_call(void) {
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
  use_descriptors();
}

static void leaks(void) {
  MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  open("/etc/passwd", O_RDONLY);  // @leaked
}

static const struct scenario kCases[] = {SCENARIO(by_prctl), SCENARIO(by_system_call), SCENARIO(leaks), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
