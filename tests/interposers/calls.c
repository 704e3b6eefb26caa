// One line for every function that the shim intercepts: a call that succeeds, and one that fails. The program makes the
// call that its arguments name and prints the result, errno, and which descriptor numbers are open then; run.py does so
// with and without the shim, and compares.
#define _GNU_SOURCE 1
#define _LARGEFILE64_SOURCE 1

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Names that libc exports and no header declares.
extern int __open(const char*, int, ...);
extern int __open64(const char*, int, ...);
extern int __open_2(const char*, int);
extern int __open64_2(const char*, int);
extern int __openat_2(int, const char*, int);
extern int __openat64_2(int, const char*, int);
extern int __close(int);
extern int __dup2(int, int);
extern int __fcntl(int, int, ...);
extern int __pipe(int[2]);
extern pid_t __fork(void);
extern pid_t __vfork(void);
extern FILE* _IO_fopen(const char*, const char*);
extern FILE* _IO_fdopen(int, const char*);
extern int _IO_fclose(FILE*);

enum { kNone = -12345 };  // there is no such call: it cannot fail, or not without harm

static int ends[2];
static int* volatile unmapped = (int*)8;
static char* arguments[] = {"echo", "executed", NULL};
static char* environment[] = {"A=B", NULL};

// Set up without the functions under test wherever they would stand in the dump as well.
static int null(void) { return open("/dev/null", O_RDONLY); }
static FILE* stream(void) { return fopen("/dev/null", "r"); }
static DIR* folder(void) { return opendir("/"); }
static int good(const void* pointer) { return pointer ? 0 : -1; }
// What is looked up works; from RTLD_NEXT on too, which depends on who asks.
static int looked_up(int versioned) {
  void* libc = dlopen("libc.so.6", RTLD_NOW);
  int (*opens)(const char*, int) = versioned ? dlvsym(libc, "open", "GLIBC_2.2.5") : dlsym(libc, "open");
  int (*closes)(int) = versioned ? dlvsym(RTLD_NEXT, "close", "GLIBC_2.2.5") : dlsym(RTLD_NEXT, "close");
  return opens && closes ? closes(opens("/dev/null", O_RDONLY)) : -1;
}

static int waiting(void) {
  struct sockaddr_un address = {AF_UNIX, "socket"};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) || listen(fd, 1) ||
      connect(client, (struct sockaddr*)&address, sizeof address))
    abort();
  return fd;
}

static int reaped(pid_t child) {
  int status = 0;
  if (child == 0) _exit(4);
  return waitpid(child, &status, 0) == child ? status : -1;
}

// vfork's child must not return from the function that called it.
#define VFORKED(call)                                  \
  ({                                                   \
    pid_t child = call();                              \
    if (child == 0) _exit(4);                          \
    int status = 0;                                    \
    waitpid(child, &status, 0) == child ? status : -1; \
  })

static int closed_dir(DIR* dir) {
  close(dirfd(dir));
  return closedir(dir);
}
static int closed_file(FILE* file, int (*closer)(FILE*)) {
  close(fileno(file));
  return closer(file);
}

#include "clone_calls.h"
#include "daemons_calls.h"
#include "declarations_calls.h"
#include "files_calls.h"
#include "kept_calls.h"

// NAME, what the descriptor is in the report (type, or "-" where the call leaves none open), the call, the failing
// call.
#define EACH_CALL(CALL)                                                                                            \
  CALL(open, "file", open("made", O_RDWR | O_CREAT, 0640), open("/nowhere/x", O_RDONLY))                           \
  CALL(open64, "file", open64("made", O_RDWR | O_CREAT, 0640), open64("/nowhere/x", O_RDONLY))                     \
  CALL(__open, "file", __open("made", O_RDWR | O_CREAT, 0640), __open("/nowhere/x", O_RDONLY))                     \
  CALL(__open64, "file", __open64("made", O_RDWR | O_CREAT, 0640), __open64("/nowhere/x", O_RDONLY))               \
  CALL(__open_2, "directory", __open_2("/", O_RDONLY | O_DIRECTORY), __open_2("/nowhere/x", O_RDONLY))             \
  CALL(__open64_2, "directory", __open64_2("/", O_RDONLY | O_DIRECTORY), __open64_2("/nowhere/x", O_RDONLY))       \
  CALL(openat, "file", openat(AT_FDCWD, "made", O_RDWR | O_CREAT, 0640), openat(777, "x", O_RDONLY))               \
  CALL(openat64, "file", openat64(AT_FDCWD, "made", O_RDWR | O_CREAT, 0640), openat64(777, "x", O_RDONLY))         \
  CALL(__openat_2, "directory", __openat_2(AT_FDCWD, "/", O_RDONLY), __openat_2(777, "x", O_RDONLY))               \
  CALL(__openat64_2, "directory", __openat64_2(AT_FDCWD, "/", O_RDONLY), __openat64_2(777, "x", O_RDONLY))         \
  CALL(creat, "file", creat("made", 0640), creat("/nowhere/x", 0640))                                              \
  CALL(creat64, "file", creat64("made", 0640), creat64("/nowhere/x", 0640))                                        \
  CALL(dup, "-", dup(null()), dup(777))                                                                            \
  CALL(dup2, "-", dup2(null(), 9), dup2(777, 9))                                                                   \
  CALL(__dup2, "-", __dup2(null(), 9), __dup2(777, 9))                                                             \
  CALL(dup3, "-", dup3(null(), 9, O_CLOEXEC), dup3(0, 0, 0))                                                       \
  CALL(fcntl, "-", fcntl(null(), F_DUPFD, 20), fcntl(777, F_DUPFD_CLOEXEC, 20))                                    \
  CALL(fcntl64, "-", fcntl64(null(), F_DUPFD_CLOEXEC, 20), fcntl64(0, F_DUPFD, -1))                                \
  CALL(__fcntl, "-", __fcntl(null(), F_DUPFD, 20), __fcntl(777, F_DUPFD_CLOEXEC, 20))                              \
  CALL(pipe, "pipe", pipe(ends), pipe(unmapped))                                                                   \
  CALL(__pipe, "pipe", __pipe(ends), __pipe(unmapped))                                                             \
  CALL(pipe2, "pipe", pipe2(ends, O_CLOEXEC), pipe2(ends, -1))                                                     \
  CALL(socket, "socket", socket(AF_UNIX, SOCK_DGRAM, 0), socket(-1, 0, 0))                                         \
  CALL(socketpair, "socket", socketpair(AF_UNIX, SOCK_STREAM, 0, ends), socketpair(AF_INET, SOCK_STREAM, 0, ends)) \
  CALL(accept, "socket", accept(waiting(), NULL, NULL), accept(777, NULL, NULL))                                   \
  CALL(accept4, "socket", accept4(waiting(), NULL, NULL, SOCK_CLOEXEC), accept4(waiting(), NULL, NULL, -1))        \
  CALL(fopen, "file", good(fopen("made", "w")), good(fopen("/nowhere/x", "r")))                                    \
  CALL(fopen64, "file", good(fopen64("made", "w")), good(fopen64("/nowhere/x", "r")))                              \
  CALL(_IO_fopen, "file", good(_IO_fopen("made", "w")), good(_IO_fopen("/nowhere/x", "r")))                        \
  CALL(fdopen, "-", good(fdopen(null(), "r")), good(fdopen(777, "r")))                                             \
  CALL(_IO_fdopen, "-", good(_IO_fdopen(null(), "r")), good(_IO_fdopen(777, "r")))                                 \
  CALL(freopen, "file", good(freopen("made", "w", stream())), good(freopen("/nowhere/x", "r", stream())))          \
  CALL(freopen64, "file", good(freopen64("made", "w", stream())), good(freopen64("/nowhere/x", "r", stream())))    \
  CALL(opendir, "directory", good(opendir("/")), good(opendir("/nowhere/x")))                                      \
  CALL(fdopendir, "-", good(fdopendir(open("/", O_RDONLY))), good(fdopendir(777)))                                 \
  CALL(close, "-", close(null()), close(777))                                                                      \
  CALL(__close, "-", __close(null()), __close(777))                                                                \
  CALL(close_range, "-", close_range(null(), 99, 0), close_range(9, 3, 0))                                         \
  CALL(closefrom, "-", (closefrom(null()), 0), kNone)                                                              \
  CALL(fclose, "-", fclose(stream()), closed_file(stream(), fclose))                                               \
  CALL(_IO_fclose, "-", _IO_fclose(stream()), closed_file(stream(), _IO_fclose))                                   \
  CALL(syscall, "file", syscall(SYS_openat, AT_FDCWD, "made", O_RDWR | O_CREAT, 0640), syscall(SYS_close, 777))    \
  CALL(closedir, "-", closedir(folder()), closed_dir(folder()))                                                    \
  CALL(fork, "-", reaped(fork()), kNone)                                                                           \
  CALL(__fork, "-", reaped(__fork()), kNone)                                                                       \
  CALL(vfork, "-", VFORKED(vfork), kNone)                                                                          \
  CALL(__vfork, "-", VFORKED(__vfork), kNone)                                                                      \
  CALL(execv, "-", execv("/bin/echo", arguments), execv("/nowhere/x", arguments))                                  \
  CALL(execve, "-", execve("/bin/echo", arguments, environment), execve("/nowhere/x", arguments, environment))     \
  CALL(execvp, "-", execvp("echo", arguments), execvp("no-such-program", arguments))                               \
  CALL(execvpe, "-", execvpe("echo", arguments, environment), execvpe("no-such-program", arguments, environment))  \
  CALL(execl, "-", execl("/bin/echo", "echo", "executed", NULL), execl("/nowhere/x", "x", NULL))                   \
  CALL(execlp, "-", execlp("echo", "echo", "executed", NULL), execlp("no-such-program", "x", NULL))                \
  CALL(execle, "-", execle("/bin/echo", "echo", "executed", NULL, environment),                                    \
       execle("/nowhere/x", "x", NULL, environment))                                                               \
  CALL(fexecve, "-", fexecve(open("/bin/echo", O_RDONLY | O_CLOEXEC), arguments, environment),                     \
       fexecve(777, arguments, environment))                                                                       \
  CALL(execveat, "-", execveat(AT_FDCWD, "/bin/echo", arguments, environment, 0),                                  \
       execveat(777, "x", arguments, environment, 0))                                                              \
  CALL(_exit, "-", (_exit(7), 0), kNone)                                                                           \
  CALL(_Exit, "-", (_Exit(7), 0), kNone)                                                                           \
  CALL(quick_exit, "-", (quick_exit(7), 0), kNone)                                                                 \
  CALL(prctl, "-", prctl(PR_SET_NAME, "calls", 0, 0, 0), prctl(-1, 0, 0, 0, 0))                                    \
  CALL(mlockall, "-", (mlockall(MCL_CURRENT), munlockall()), mlockall(-1))                                         \
  CALL(dlopen, "-", good(dlopen("libutil.so.1", RTLD_NOW)), good(dlopen("libnowhere.so", RTLD_NOW)))               \
  CALL(dlsym, "-", looked_up(0), good(dlsym(RTLD_DEFAULT, "nowhere_at_all")))                                      \
  CALL(dlvsym, "-", looked_up(1), good(dlvsym(RTLD_DEFAULT, "open", "NOWHERE_1.0")))                               \
  CALL(dlclose, "-", dlclose(dlopen("libutil.so.1", RTLD_NOW)), kNone)                                             \
  CALL(setenv, "-", setenv("PYTEST_CURRENT_TEST", "t.py::t (call)", 1), setenv("A=B", "", 1))                      \
  CALL(putenv, "-", putenv((char[]){"PYTEST_CURRENT_TEST=t.py::t (call)"}), kNone)                                 \
  CALL(unsetenv, "-", unsetenv("PYTEST_CURRENT_TEST"), unsetenv("A=B"))                                            \
  CALL(clearenv, "-", clearenv(), kNone)

#include "sockets_calls.h"
#include "spawn_calls.h"
#include "uses_calls.h"
#include "more_uses_calls.h"

#define FUNCTIONS(name, type, success, failure)        \
  static int name##_succeeds(void) { return success; } \
  static int name##_fails(void) { return failure; }
#define ROW(name, type, success, failure) {#name, type, name##_succeeds, name##_fails},
// A system call made by number.
#define FUNCTIONS_BY_NUMBER(name, type, success, failure)               \
  static int syscall_##name##_succeeds(void) { return (int)(success); } \
  static int syscall_##name##_fails(void) { return (int)(failure); }
#define ROW_BY_NUMBER(name, type, success, failure) \
  {"syscall:" #name, type, syscall_##name##_succeeds, syscall_##name##_fails},

#include "kernel_objects_calls.h"
#include "syscall_calls.h"

// A family a line.
#define EVERY_CALL(CALL)     \
  EACH_CALL(CALL)            \
  FILES_CALLS(CALL)          \
  SOCKETS_CALLS(CALL)        \
  CLONE_CALLS(CALL)          \
  DAEMONS_CALLS(CALL)        \
  DECLARATIONS_CALLS(CALL)   \
  USES_CALLS(CALL)           \
  MORE_USES_CALLS(CALL)      \
  SPAWN_CALLS(CALL)          \
  KERNEL_OBJECTS_CALLS(CALL) \
  KEPT_CALLS(CALL)

EVERY_CALL(FUNCTIONS)
SYSCALL_CALLS(FUNCTIONS_BY_NUMBER)
DAEMONS_SYSCALL_CALLS(FUNCTIONS_BY_NUMBER)

static const struct {
  const char *name, *type;
  int (*succeeds)(void);
  int (*fails)(void);
} kCalls[] = {EVERY_CALL(ROW) SYSCALL_CALLS(ROW_BY_NUMBER) DAEMONS_SYSCALL_CALLS(ROW_BY_NUMBER)};

static void show(int result, int error) {
  char text[4096];
  int length = snprintf(text, sizeof text, "%d errno %d (%s), open:", result, error, strerror(error));
  for (int fd = 0; fd < 1024; ++fd) {
    struct pollfd one = {fd, 0, 0};
    if (poll(&one, 1, 0) == 0 || !(one.revents & POLLNVAL)) {
      length += snprintf(text + length, sizeof text - (size_t)length, " %d", fd);
    }
  }
  text[length++] = '\n';
  if (write(1, text, (size_t)length) != length) abort();
}

// calls                 lists the names and types
// calls NAME ok|fails   makes one call
int main(int argc, char** argv) {
  for (size_t i = 0; i < sizeof kCalls / sizeof *kCalls; ++i) {
    if (argc < 3) {
      printf("%s %s\n", kCalls[i].name, kCalls[i].type);
    } else if (strcmp(argv[1], kCalls[i].name) == 0) {
      errno = 0;
      int result = strcmp(argv[2], "ok") == 0 ? kCalls[i].succeeds() : kCalls[i].fails();
      int error = errno;
      if (result == kNone) return 77;
      show(result, error);
      return 0;
    }
  }
  return argc < 3 ? 0 : 99;
}
