// Files that report a change once, to the one that polls them first: the table of mounts, a name in /proc/sys. A monitor
// that forks, execs itself or starts helpers between the change and its own look still sees it. Needs the right to
// mount; exits with 77 without.
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

static struct {
  const char* name;
  const char* path;
  short event;
  int fd;
} watched[] = {{"mounts", "/proc/self/mountinfo", POLLPRI, -1},
               {"host name", "/proc/sys/kernel/hostname", POLLERR, -1}};
enum { kWatched = sizeof watched / sizeof *watched };

static void drain(int fd) {
  char buffer[4096];
  lseek(fd, 0, SEEK_SET);
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
  struct pollfd look = {fd, POLLPRI | POLLERR, 0};
  while (poll(&look, 1, 0) > 0 && (look.revents & POLLPRI) != 0) {
    lseek(fd, 0, SEEK_SET);
    while (read(fd, buffer, sizeof buffer) > 0) {
    }
  }
}

static void change(int round) {
  char host[32];
  snprintf(host, sizeof host, "monitors-%d", round);
  if (sethostname(host, strlen(host)) != 0 || mount("none", "mountpoint", "tmpfs", 0, NULL) != 0) exit(78);
}

static void show(const char* when) {
  printf("%s:", when);
  for (int i = 0; i < kWatched; ++i) {
    struct pollfd look = {watched[i].fd, watched[i].event, 0};
    printf(" %s %s,", watched[i].name, poll(&look, 1, 0) > 0 ? "seen" : "LOST");
    drain(watched[i].fd);
  }
  printf("\n");
  fflush(stdout);
  umount("mountpoint");
  for (int i = 0; i < kWatched; ++i) drain(watched[i].fd);
}

static void by_fork(void) {
  const pid_t child = fork();
  if (child == 0) {
    close(open("/dev/null", O_RDONLY));  // something to record
    exit(0);
  }
  waitpid(child, NULL, 0);
}

static void by_exec(void) {
  const pid_t child = fork();
  if (child == 0) execl("/bin/true", "true", NULL);
  waitpid(child, NULL, 0);
}

static void by_spawn(void) {
  pid_t child;
  char* arguments[] = {"true", NULL};
  if (posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0) waitpid(child, NULL, 0);
}

static void by_libc(void) {
  if (system("exec true") != 0) exit(79);
}

int main(int argc, char** argv) {
  if (argc > 1) {  // exec'd by itself
    for (int i = 0; i < kWatched; ++i) watched[i].fd = atoi(argv[1 + i]);
    show("exec of itself");
    return 3;
  }
  if (unshare(CLONE_NEWNS | CLONE_NEWUTS) != 0) return 77;
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mkdir("mountpoint", 0700) != 0) return 77;
  for (int i = 0; i < kWatched; ++i) {
    watched[i].fd = open(watched[i].path, O_RDONLY);
    drain(watched[i].fd);
  }
  static void (*const kWays[])(void) = {by_fork, by_exec, by_spawn, by_libc};
  static const char* const kNames[] = {"fork", "exec", "posix_spawn", "system"};
  for (int i = 0; i < 4; ++i) {
    change(i);
    kWays[i]();
    show(kNames[i]);
  }
  change(4);
  char numbers[2][12];
  for (int i = 0; i < kWatched; ++i) snprintf(numbers[i], sizeof numbers[i], "%d", watched[i].fd);
  execl("/proc/self/exe", "monitors", numbers[0], numbers[1], NULL);
  return 80;
}
