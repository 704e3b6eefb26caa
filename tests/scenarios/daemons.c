// Programs that become daemons: what those that end on the way leave open goes on in the daemon. Every case runs below
// a process that waits for all of it, so that the report comes after the daemon's end, and says who outlives whom.
#include "scenario.h"

#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <utmp.h>

static int go[2];     // closed: the daemon may end
static int there[2];  // it has come so far
static pid_t reaper;  // whose child a daemon is once its parent has ended

static int opened(void) { return open("/etc/hostname", O_RDONLY); }  // @opened

// Lets go of what keeps the processes in step.
static void ends(int status) {
  close(go[0]), close(there[1]);
  _exit(status);
}

// Runs the launcher, and lets whatever it leaves behind end after it.
static void launch(void (*launcher)(void), int status) {
  reaper = getpid();
  MUST(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 && pipe(go) == 0 && pipe(there) == 0);
  pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    close(go[1]), close(there[0]);
    launcher();
    ends(0);
  }
  close(go[0]), close(there[1]);
  MUST(status_of(child) == status);
  await(there[0]);
  close(go[1]), close(there[0]);
  for (int left; wait(&left) > 0;) MUST(WIFEXITED(left) && WEXITSTATUS(left) == 0);
}

// Without a descriptor of its own: the parent's end is a signal, or lies in the past.
static void wait_for_the_end_of_the_parent(void) {
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGUSR2);
  MUST(sigprocmask(SIG_BLOCK, &end, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGUSR2, 0, 0, 0) == 0);
  int signal_number;
  if (getppid() != reaper) MUST(sigwait(&end, &signal_number) == 0);
}

// A daemon at work: none before its parent has ended.
static void serve(void) {
  char nothing;
  wait_for_the_end_of_the_parent();
  send_byte(there[1]);
  while (read(go[0], &nothing, 1) != 0) MUST(errno == EINTR);
}

static void become_forked(void) {
  pid_t child = fork();
  MUST(child >= 0);
  if (child != 0) ends(0);
}

static void standard_on_null(void) {
  for (int fd = 0; fd < 3; ++fd) close(fd);
  MUST(open("/dev/null", O_RDWR) == 0 && dup2(0, 1) == 1 && dup2(0, 2) == 2);
}

static void once(void) {
  opened();
  become_forked();
  MUST(setsid() == getpid());
  standard_on_null();
  serve();
}
static void by_hand_once(void) { launch(once, 0); }

static void twice(void) {
  opened();
  become_forked();
  MUST(setsid() == getpid());
  opened();
  become_forked();
  standard_on_null();
  serve();
}
static void by_hand_twice(void) { launch(twice, 0); }

static void closes_all(void) {
  opened();
  become_forked();
  MUST(setsid() == getpid());
  become_forked();
  for (int fd = 255; fd >= 0; --fd) {
    if (fd != go[0] && fd != there[1]) close(fd);
  }
  MUST(open("/dev/null", O_RDWR) == 0 && dup2(0, 1) == 1 && dup2(0, 2) == 2);
  serve();
}
static void closing_all(void) { launch(closes_all, 0); }

static int stands_for(int fd, const char* path) {
  char link[32], target[256];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, target, sizeof target - 1);
  MUST(length > 0);
  target[length] = '\0';
  return strcmp(target, path) == 0;
}

static void by_libc(void) {
  opened();
  MUST(daemon(0, 0) == 0);
  MUST(stands_for(0, "/dev/null") && stands_for(1, "/dev/null") && stands_for(2, "/dev/null"));
  MUST(close(1) == 0);
  serve();
}
static void by_daemon(void) { launch(by_libc, 0); }

static void with_its_standard(void) {
  opened();
  MUST(daemon(1, 1) == 0 && !stands_for(2, "/dev/null"));
  serve();
}
static void daemon_noclose(void) { launch(with_its_standard, 0); }

static void leaves_a_worker(void) {
  opened();
  pid_t worker = fork();
  MUST(worker >= 0);
  if (worker == 0) serve();
}
static void worker_is_no_daemon(void) { launch(leaves_a_worker, 0); }

// An agent: in a session of its own it executes another program, which has nothing of what is close-on-exec.
static void starts_an_agent(void) {
  open("/etc/hostname", O_RDONLY | O_CLOEXEC);  // @close-on-exec
  opened();
  int held[2];
  char nothing;
  MUST(pipe2(held, O_CLOEXEC) == 0);
  pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    MUST(setsid() == getpid() && dup2(go[0], 0) == 0 && dup2(there[1], 1) == 1);
    execl("/bin/sh", "sh", "-c", "echo; read nothing; exit 0", NULL);
    _exit(99);
  }
  close(held[1]);
  MUST(read(held[0], &nothing, 1) == 0);  // it has executed
  close(held[0]);
}
static void agent_executes(void) { launch(starts_an_agent, 0); }

// An agent that has closed what it does not need: what was forgotten did not go on in it.
static void starts_a_tidy_agent(void) {
  int held[2];
  char nothing;
  opened();
  MUST(pipe2(held, O_CLOEXEC) == 0);
  pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    MUST(setsid() == getpid() && dup2(go[0], 0) == 0 && dup2(there[1], 1) == 1);
    for (int fd = 3; fd < 256; ++fd) {
      if (fd != held[1]) close(fd);
    }
    execl("/bin/sh", "sh", "-c", "echo; read nothing; exit 0", NULL);
    _exit(99);
  }
  close(held[1]);
  MUST(read(held[0], &nothing, 1) == 0);  // it has executed
  close(held[0]);
}
static void agent_closes_all(void) { launch(starts_a_tidy_agent, 0); }

static void opens_late(void) {
  opened();
  pid_t child = fork();
  MUST(child >= 0);
  if (child != 0) {
    open("/etc/hostname", O_RDONLY);  // @late
    ends(0);
  }
  MUST(setsid() == getpid());
  serve();
}
static void opened_after_the_fork(void) { launch(opens_late, 0); }

static void session_that_ends(void) {
  opened();
  pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    MUST(setsid() == getpid());
    ends(0);
  }
  MUST(status_of(child) == 0);
  send_byte(there[1]);
}
static void session_ends_first(void) { launch(session_that_ends, 0); }

static void leaks_itself(void) {
  opened();
  MUST(daemon(0, 0) == 0);
  open("/etc/hostname", O_RDONLY);  // @daemon-leaks
  serve();
}
static void daemon_leaks(void) { launch(leaks_itself, 0); }

static void fails_to_fork(void) {
  const struct rlimit none = {0, 0};
  if (getuid() == 0) MUST(setuid(65534) == 0);
  MUST(setrlimit(RLIMIT_NPROC, &none) == 0);
  open("/etc/hostname", O_RDONLY);  // @no-daemon
  MUST(daemon(0, 0) == -1 && errno == EAGAIN);
  send_byte(there[1]);
  ends(7);
}
static void daemon_fails(void) { launch(fails_to_fork, 7); }

static void closes_its_standard_twice(void) {
  MUST(daemon(0, 0) == 0);  // @daemon
  close(1);
  close(1);  // @again
  serve();
}
static void daemon_closes_twice(void) { launch(closes_its_standard_twice, 0); }

static void on_a_terminal(void) {
  char name[64];
  int master;
  pid_t child = forkpty(&master, name, NULL, NULL);  // @forkpty
  MUST(child >= 0);
  if (child == 0) {
    MUST(isatty(0) && isatty(1) && isatty(2));
    close(1);
    close(1);  // @terminal-again
    _exit(0);
  }
  MUST(status_of(child) == 0);
}

static void logs_in(void) {
  pid_t child = fork();
  MUST(child >= 0);
  if (child == 0) {
    int master, slave;
    MUST(openpty(&master, &slave, NULL, NULL, NULL) == 0);  // @openpty
    MUST(login_tty(slave) == 0);                            // @login
    signal(SIGHUP, SIG_IGN);  // when the terminal goes
    close(slave);                                           // @slave-again
    close(2);
    close(2);  // @standard-again
    close(master);
    _exit(0);
  }
  MUST(status_of(child) == 0);
}

static const struct scenario scenarios[] = {
    SCENARIO(by_hand_once),         SCENARIO(by_hand_twice),       SCENARIO(closing_all),
    SCENARIO(by_daemon),            SCENARIO(daemon_noclose),      SCENARIO(worker_is_no_daemon),
    SCENARIO(opened_after_the_fork), SCENARIO(session_ends_first), SCENARIO(daemon_leaks),
    SCENARIO(daemon_fails),         SCENARIO(daemon_closes_twice), SCENARIO(on_a_terminal),
    SCENARIO(logs_in),              SCENARIO(agent_executes), SCENARIO(agent_closes_all),      {NULL, NULL},
};

int main(int argc, char** argv) {
  run_scenario(scenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
