// One descriptor left open by each function that opens one, each in its own function.
#include "scenario.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>

static void leak_open(void) { MUST(open("/dev/null", O_RDONLY) >= 0); }                 // @open
static void leak_openat(void) { MUST(openat(AT_FDCWD, "/dev/null", O_RDONLY) >= 0); }   // @openat
static void leak_creat(void) { MUST(creat("created", 0600) >= 0); }                     // @creat
static void leak_socket(void) { MUST(socket(AF_UNIX, SOCK_STREAM, 0) >= 0); }           // @socket
static void leak_fopen(void) { MUST(fopen("/dev/null", "r")); }                         // @fopen
static void leak_opendir(void) { MUST(opendir("/")); }                                  // @opendir
static void leak_dup(void) { MUST(dup(0) >= 0); }                                       // @dup
static void leak_dup2(void) { MUST(dup2(0, 50) == 50); }                                // @dup2
static void leak_dup3(void) { MUST(dup3(0, 60, O_CLOEXEC) == 60); }                     // @dup3
static void leak_dupfd(void) { MUST(fcntl(0, F_DUPFD, 70) >= 70); }                     // @dupfd
static void leak_dupfd_cloexec(void) { MUST(fcntl(0, F_DUPFD_CLOEXEC, 80) >= 80); }     // @dupfd_cloexec

static void leak_pipe(void) {
  int ends[2];
  MUST(pipe(ends) == 0);  // @pipe
}

static void leak_pipe2(void) {
  int ends[2];
  MUST(pipe2(ends, O_CLOEXEC) == 0);  // @pipe2
}

static void leak_socketpair(void) {
  int ends[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);  // @socketpair
}

static void leak_fdopen(void) {
  int fd = open("/dev/null", O_RDONLY);  // @fdopen-opened
  MUST(fdopen(fd, "r"));
}

static void leak_fdopendir(void) {
  int fd = open("/", O_RDONLY | O_DIRECTORY);  // @fdopendir-opened
  MUST(fdopendir(fd));
}

static void leak_freopen(void) {
  FILE* file = fopen("/dev/null", "r");
  MUST(file);
  MUST(freopen("/dev/zero", "r", file));  // @freopen
}

// A listening socket with one connection waiting in it.
static int listener(int* client) {
  struct sockaddr_un address = {AF_UNIX, "socket"};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(bind(fd, (struct sockaddr*)&address, sizeof address) == 0);
  MUST(listen(fd, 1) == 0);
  *client = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(connect(*client, (struct sockaddr*)&address, sizeof address) == 0);
  return fd;
}

static void leak_accept(void) {
  int client, fd = listener(&client);
  MUST(accept(fd, NULL, NULL) >= 0);  // @accept
  close(client);
  close(fd);
}

static void leak_accept4(void) {
  int client, fd = listener(&client);
  MUST(accept4(fd, NULL, NULL, SOCK_CLOEXEC) >= 0);  // @accept4
  close(client);
  close(fd);
}

// The descriptor is closed, what was duplicated from it is not.
static void leak_copy(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(dup(fd) >= 0);  // @copy
  close(fd);
}

// It left by _exit, which runs no handlers.
static void leak_at_exit_now(void) {
  MUST(open("/dev/null", O_RDONLY) >= 0);  // @exit-now
  _exit(3);
}

static void leak_and_abort(void) {
  MUST(open("/dev/null", O_RDONLY) >= 0);  // @aborted
  abort();
}

static const struct scenario kCases[] = {
    SCENARIO(leak_open),      SCENARIO(leak_openat),   SCENARIO(leak_creat),         SCENARIO(leak_dup),
    SCENARIO(leak_dup2),      SCENARIO(leak_dup3),     SCENARIO(leak_dupfd),         SCENARIO(leak_dupfd_cloexec),
    SCENARIO(leak_pipe),      SCENARIO(leak_pipe2),    SCENARIO(leak_socket),        SCENARIO(leak_socketpair),
    SCENARIO(leak_accept),    SCENARIO(leak_accept4),  SCENARIO(leak_fopen),         SCENARIO(leak_fdopen),
    SCENARIO(leak_freopen),   SCENARIO(leak_opendir),  SCENARIO(leak_fdopendir),     SCENARIO(leak_copy),
    SCENARIO(leak_at_exit_now), SCENARIO(leak_and_abort), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
