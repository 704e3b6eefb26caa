// Forked children whose first recorded call is left by siglongjmp out of a signal handler, at one moment or another;
// each then leaves three files open. Prints how many were left.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigjmp_buf place;
static volatile sig_atomic_t armed;

static void leave(int number) {
  (void)number;
  if (armed) {
    armed = 0;
    siglongjmp(place, 1);
  }
}

static void leak(void) {
  for (int i = 0; i < 3; ++i) open("/dev/null", O_RDONLY);
}

static void child(long delay) {
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
  const struct itimerspec once = {.it_value = {.tv_nsec = delay}};
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  volatile int left = 0;
  if (sigsetjmp(place, 1) == 0) {
    armed = 1;
    timer_settime(timer, 0, &once, NULL);
    close(open("/dev/null", O_RDONLY));
    armed = 0;
  } else {
    left = 1;
  }
  leak();
  exit(left);
}

int main(int argc, char** argv) {
  const int children = argc > 1 ? atoi(argv[1]) : 100;
  int left = 0;
  struct sigaction action = {.sa_handler = leave};
  sigaction(SIGALRM, &action, NULL);
  for (int i = 0; i < children; ++i) {
    const pid_t made = fork();
    if (made == 0) child(1000L * (1 + i % 60));
    int status = 0;
    waitpid(made, &status, 0);
    left += WIFEXITED(status) && WEXITSTATUS(status) == 1;
  }
  printf("%d\n", left);
  return 0;
}
