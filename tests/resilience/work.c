// A small program that works with descriptors under whatever it is put into, and writes down what it saw. It closes one
// descriptor twice and leaves one open, in the end. With "drop" it first moves into a root folder of its own and gives
// up its rights; with "many" it touches many numbers from many call paths.
#define _GNU_SOURCE 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char seen[65536];
static size_t length;

static void note(const char* what, int value) {
  length += (size_t)snprintf(seen + length, sizeof seen - length, "%s %d\n", what, value);
  if (length >= sizeof seen) length = sizeof seen - 1;
}

static void write_down(const char* path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (fd < 0) return;
  ssize_t written = write(fd, seen, length);
  (void)written;
  close(fd);
}

static int open_at_depth(int depth, const char* path) {
  int fd = depth == 0 ? open(path, O_RDONLY) : open_at_depth(depth - 1, path);
  __asm__ volatile("" : "+r"(fd));
  return fd;
}

static void many(void) {
  for (int i = 0; i < 400; ++i) {
    int fd = open_at_depth(i % 50, "/");
    int copy = fcntl(fd, F_DUPFD, (i * 7) % 1000);
    note("copy", copy);
    if (copy >= 0) close(copy);
    if (fd >= 0) close(fd);
  }
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  int ends[2] = {-1, -1}, status = 0;
  for (int fd = 0; fd < 12; ++fd) note("flags", fcntl(fd, F_GETFD));
  if (strcmp(how, "drop") == 0) {
    if (chroot(".") || chdir("/") || setgroups(0, NULL) || setgid(65534) || setuid(65534)) return 99;
  }
  if (strcmp(how, "many") == 0) many();
  int first = open("/", O_RDONLY);
  note("first", first);
  int second = socket(AF_UNIX, SOCK_STREAM, 0);
  note("second", second);
  note("pipe", pipe(ends));
  note("ends", ends[0] * 100 + ends[1]);
  note("errno", errno);
  FILE* file = fopen("/etc/passwd", "r");
  note("stream", file ? fileno(file) : -errno);
  if (file) fclose(file);
  pid_t child = fork();
  if (child == 0) {
    int fd = open("/", O_RDONLY);
    if (fd >= 0) close(fd);
    _exit(fd == -1 ? 1 : 0);
  }
  note("child", waitpid(child, &status, 0) == child ? status : -1);
  if (ends[0] >= 0) close(ends[0]);
  if (ends[1] >= 0) close(ends[1]);
  if (second >= 0) close(second);
  note("twice", first >= 0 && close(first) == 0 && close(first) == -1 && errno == EBADF);
  write_down("seen");
  return fcntl(open("/", O_RDONLY), F_DUPFD, 3) >= 3 ? 6 : 7;
}
