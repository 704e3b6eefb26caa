// What a program built with a sanitizer, or run with somebody's allocator, does all day: every kind of call whose
// wrapper some runtime has. It leaks one descriptor from each of the functions named leak_*, closes one twice, and has
// a child and a thread. Prints what it sees, so that two runs can be compared.
#define _GNU_SOURCE 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char* what, long result) {
  printf("%s %ld %s\n", what, result, result < 0 ? strerrorname_np(errno) : "-");
}

static void leak_open(void) {
  say("open", open("/etc/passwd", O_RDONLY));  // @open
}
static void leak_openat(void) {
  say("openat", openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC));  // @openat
}
static FILE* stream;
static void leak_fopen(void) {
  stream = fopen("/etc/group", "r");  // @fopen
  say("fopen", fileno(stream));
}
static DIR* directory;
static void leak_opendir(void) {
  directory = opendir("/etc");  // @opendir
  say("opendir", dirfd(directory));
}
static void leak_socket(void) {
  say("socket", socket(AF_INET, SOCK_STREAM, 0));  // @socket
}
static void leak_pipe(void) {
  int ends[2];
  say("pipe", pipe(ends));  // @pipe
  say("pipe's read end", ends[0]);
  close(ends[0]);
}
static void leak_dup(void) {
  say("dup", dup(0));  // @dup
}
static void* leak_in_thread(void* unused) {
  say("thread", open("/dev/null", O_WRONLY));  // @thread
  return unused;
}

static void close_twice(void) {
  const int fd = open("/dev/null", O_RDONLY);  // @twice-opened
  say("close", close(fd));                     // @twice-closed
  say("close again", close(fd));               // @twice-again
}

static void correct(void) {
  for (int i = 0; i < 20; ++i) {
    const int fd = open("/dev/null", O_RDWR);
    const int copy = dup2(fd, 100);
    if (close(fd) != 0 || close(copy) != 0) abort();
    FILE* file = fopen("/dev/null", "r");
    if (!file || fclose(file) != 0) abort();
    DIR* listing = opendir("/");
    if (!listing || !readdir(listing) || closedir(listing) != 0) abort();
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || close(pair[0]) != 0 || close(pair[1]) != 0) abort();
    char* memory = malloc(100000);
    memory[99999] = 1;
    free(memory);
  }
  say("missing", open("/nowhere/at/all", O_RDONLY));
  say("bad", dup(-1));
}

static void child(void) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const int fd = open("/dev/null", O_RDONLY);
    _exit(fd < 0 || close(fd) != 0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  say("child", status);
  FILE* listing = popen("ls /proc/self/fd | wc -l", "r");
  char line[64] = "";
  if (fgets(line, sizeof line, listing)) printf("numbers in a grandchild: %s", line);
  say("pclose", pclose(listing));
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  correct();
  child();
  leak_open();
  leak_openat();
  leak_fopen();
  leak_opendir();
  leak_socket();
  leak_pipe();
  leak_dup();
  pthread_t thread;
  if (pthread_create(&thread, NULL, leak_in_thread, NULL) != 0 || pthread_join(thread, NULL) != 0) return 1;
  close_twice();
  return 7;
}
