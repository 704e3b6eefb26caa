// Sessions, daemons, and processes on a terminal of their own; see calls.c.
#pragma once

#include <pty.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <utmp.h>

static int terminal_master;

// In a child, because a process can begin a session once. Both print what became of them, through the parent's status.
static int in_child(int (*call)(void)) {
  pid_t child = fork();
  if (child == 0) _exit(call() & 0x7f);
  return reaped(child);
}
static int session_begun(void) { return setsid() == getpid() ? 3 : 4; }
static int session_begun_by_number(void) { return syscall(SYS_setsid) == getpid() ? 3 : 4; }
static int session_twice(void) {
  setsid();
  return (int)setsid();
}
static int session_twice_by_number(void) {
  syscall(SYS_setsid);
  return (int)syscall(SYS_setsid);
}

// No further process for this user: nobody is root then.
static int cannot_fork(int (*call)(void)) {
  const struct rlimit none = {0, 0};
  if (getuid() == 0 && setuid(65534)) abort();
  if (setrlimit(RLIMIT_NPROC, &none)) abort();
  return call();
}

// The daemon returns into a process that nobody waits for: this one is made to, and the daemon notifies nobody else.
static int daemonized(void) {
  int status = 0, launcher = -1, count = 0;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  launcher = fork();
  if (launcher == 0) _exit(daemon(0, 0) == 0 && isatty(0) == 0 && (fcntl(2, F_GETFL) & O_ACCMODE) == O_RDWR ? 5 : 6);
  for (int one; wait(&one) > 0; ++count) status += WEXITSTATUS(one);
  return count * 100 + status;
}
static int daemon_refused(void) { return daemon(1, 1); }

static int on_terminal(void) {
  char name[128];
  const int child = forkpty(&terminal_master, name, NULL, NULL);
  if (child == 0) _exit(isatty(0) && isatty(2) && getsid(0) == getpid() ? 4 : 5);
  return reaped(child);
}

static int logged_in(void) {
  int master, slave;
  if (openpty(&master, &slave, NULL, NULL, NULL)) return 9;
  return login_tty(slave) == 0 && isatty(0) && isatty(2) && fcntl(slave, F_GETFD) == -1 ? 4 : 5;
}
static int forkpty_without_numbers(void) {
  const struct rlimit few = {3, 3};
  if (setrlimit(RLIMIT_NOFILE, &few)) abort();
  return forkpty(&terminal_master, NULL, NULL, NULL);
}

#define DAEMONS_CALLS(CALL)                                           \
  CALL(setsid, "-", in_child(session_begun), in_child(session_twice)) \
  CALL(daemon, "-", daemonized(), cannot_fork(daemon_refused))        \
  CALL(forkpty, "pty", on_terminal(), forkpty_without_numbers())      \
  CALL(login_tty, "-", in_child(logged_in), login_tty(777))

#define DAEMONS_SYSCALL_CALLS(CALL) \
  CALL(setsid, "-", in_child(session_begun_by_number), in_child(session_twice_by_number))
