// What a program can see of its own surroundings. Prints all of it; run.py compares the print with and without the shim.
#define _GNU_SOURCE 1

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void list_descriptors(const char* when) {
  int numbers[256], count = 0;
  DIR* dir = opendir("/proc/self/fd");
  for (struct dirent* entry; (entry = readdir(dir));) {
    if (entry->d_name[0] != '.' && count < 256) numbers[count++] = atoi(entry->d_name);
  }
  int own = dirfd(dir);
  closedir(dir);
  printf("%s: listed by %d:", when, own);
  for (int i = 0; i < count; ++i) printf(" %d%s", numbers[i], numbers[i] == own ? "*" : "");
  printf("; open:");
  for (int fd = 0; fd < 1024; ++fd) {
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0) printf(" %d%s", fd, flags & FD_CLOEXEC ? "c" : "");
  }
  printf("\n");
}

static void numbers(void) {
  int ends[2];
  list_descriptors("start");
  int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY | O_CLOEXEC);
  printf("open %d %d\n", a, b);
  close(a);
  int r = pipe(ends);
  printf("pipe %d %d %d\n", r, ends[0], ends[1]);
  FILE* file = fopen("/etc/passwd", "r");
  printf("fopen %d\n", fileno(file));
  printf("dup %d %d\n", dup(b), fcntl(b, F_DUPFD, 100));
  list_descriptors("then");
  fclose(file);
  close_range(3, ~0U, 0);
  printf("reopened %d\n", open("/dev/null", O_RDONLY));
  list_descriptors("end");
}

#define SHOW(call)                                                         \
  do {                                                                     \
    errno = 4242; /* a success must leave it alone */                      \
    long result = (long)(call);                                            \
    int error = errno;                                                     \
    printf("%-46s %ld %d\n", #call, result, error);                        \
  } while (0)

static const char* volatile no_path;

static void errors(void) {
  int ends[2] = {-5, -5};
  SHOW(open("/dev/null", O_RDONLY));
  SHOW(open("/nowhere", O_RDONLY));
  SHOW(open("/dev/null/x", O_RDONLY));
  SHOW(open("", O_RDONLY));
  SHOW(open(no_path, O_RDONLY));
  SHOW(openat(-100, "/dev/null", O_RDONLY));
  SHOW(close(3));
  SHOW(close(3));
  SHOW(close(-1));
  SHOW(close(1 << 30));
  SHOW(dup(1));
  SHOW(dup(-1));
  SHOW(dup2(1, -1));
  SHOW(dup2(1, 10));
  SHOW(dup3(1, 1, 0));
  SHOW(fcntl(1, F_DUPFD, 1 << 30));
  SHOW(fcntl(1, F_GETFD));
  SHOW(fcntl(77, F_GETFD));
  SHOW(fcntl(1, 9999));
  SHOW(fcntl(10, F_SETFD, FD_CLOEXEC));
  SHOW(fcntl(10, F_GETFD));
  SHOW(pipe2(ends, -1));
  SHOW(socket(12345, 1, 2));
  SHOW(socketpair(AF_UNIX, 99, 0, ends));
  SHOW(accept(1, NULL, NULL));
  SHOW(accept4(77, NULL, NULL, 0));
  SHOW(fopen("/nowhere", "r"));
  SHOW(fopen("/etc/passwd", "?"));
  SHOW(fdopen(77, "r"));
  SHOW(fdopen(1, "?"));
  SHOW(opendir("/nowhere"));
  SHOW(opendir("/etc/passwd"));
  SHOW(fdopendir(1));
  SHOW(close_range(5, 3, 0));
  SHOW(close_range(5, 9, 12345));
  SHOW(execl("/nowhere", "x", NULL));
  SHOW(execl("/etc/passwd", "x", NULL));
  struct rlimit limit = {20, 20};
  SHOW(setrlimit(RLIMIT_NOFILE, &limit));
  for (int i = 0; i < 20; ++i) SHOW(open("/dev/null", O_RDONLY));
  SHOW(pipe(ends));
  SHOW(fopen("/dev/null", "r"));
  SHOW(opendir("/"));
  SHOW(dup(0));
}

static void environment(void) {
  extern char** environ;
  for (char** e = environ; *e; ++e) {
    if (strncmp(*e, "LD_PRELOAD=", 11) && strncmp(*e, "FDAUDIT", 7) && strncmp(*e, "_=", 2)) puts(*e);
  }
}

static void on_signal(int number) {
  int fd = open("/nowhere", O_RDONLY);  // leaves ENOENT, as a careless handler would
  (void)number, (void)fd;
}

static void signals(void) {
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  for (int s = 1; s < 65; ++s) {
    struct sigaction action;
    if (sigaction(s, NULL, &action) == 0) {
      printf("%d %d%s\n", s, action.sa_handler != SIG_DFL, sigismember(&mask, s) ? " blocked" : "");
    }
  }
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  errno = 0;
  raise(SIGUSR1);
  printf("errno after a handler: %d\n", errno);
}

static void* in_thread(void* unused) {
  list_descriptors("thread");
  return unused;
}

static void processes(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, in_thread, NULL);
  pthread_join(thread, NULL);
  pid_t child = fork();
  int status;
  if (child == 0) {
    list_descriptors("forked");
    close_range(3, ~0U, 0);
    printf("in the child %d\n", open("/dev/null", O_RDONLY));
    execl("/bin/ls", "ls", "/proc/self/fd", "/nowhere", NULL);
  }
  waitpid(child, &status, 0);
  printf("status %x\n", status);
  child = vfork();
  if (child == 0) {
    close(0);
    execlp("sh", "sh", "-c", "echo in the shell; exit 9", NULL);
    _exit(1);
  }
  waitpid(child, &status, 0);
  printf("status %x, 0 is %d\n", status, fcntl(0, F_GETFD));
}

static void streams(void) {
  FILE* file = fopen("text", "w+");
  fputs("one\ntwo\n", file);
  rewind(file);
  char line[16];
  printf("%s", fgets(line, sizeof line, file));
  printf("tell %ld\n", ftell(file));
  file = freopen("text", "a", file);
  fputs("three\n", file);
  fclose(file);
  struct stat status;
  stat("text", &status);
  printf("size %ld mode %o\n", (long)status.st_size, status.st_mode);
  fprintf(stderr, "to standard error\n");
  printf("not flushed by hand");
}

static const struct {
  const char* name;
  void (*run)(void);
} kViews[] = {{"numbers", numbers},     {"errors", errors},   {"environment", environment}, {"signals", signals},
              {"processes", processes}, {"streams", streams}};

int main(int argc, char** argv) {
  for (size_t i = 0; i < sizeof kViews / sizeof *kViews; ++i) {
    if (argc > 1 && strcmp(argv[1], kViews[i].name) == 0) {
      kViews[i].run();
      return 3;
    }
  }
  return 99;
}
