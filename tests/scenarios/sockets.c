// What sockets and pipes were, recorded as soon as a call shows it (the process is killed), and asked from the kernel at the
// end (it exits). The second argument chooses.
#include "scenario.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

static int made(int domain, int type) {
  int fd = socket(domain, type, 0);
  MUST(fd >= 0);
  return fd;
}

static struct sockaddr_in v4(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Listens on a port that the kernel chooses, which is printed nowhere: names are compared by their shape.
static int tcp_listener(struct sockaddr_in* address) {
  socklen_t size = sizeof *address;
  int fd = made(AF_INET, SOCK_STREAM);
  *address = v4(0);
  MUST(bind(fd, (struct sockaddr*)address, sizeof *address) == 0 && listen(fd, 5) == 0);
  MUST(getsockname(fd, (struct sockaddr*)address, &size) == 0);
  return fd;
}

static void unconnected(void) { made(AF_INET, SOCK_STREAM); }  // @unconnected
static void netlink(void) { made(AF_NETLINK, SOCK_RAW); }      // @netlink

static void bound(void) {
  struct sockaddr_in address = v4(0);
  int fd = made(AF_INET, SOCK_DGRAM);
  MUST(bind(fd, (struct sockaddr*)&address, sizeof address) == 0);
}

static void listening(void) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6};
  int fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) _exit(77);
  address.sin6_addr = in6addr_loopback;
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) _exit(77);
  MUST(listen(fd, 1) == 0);
}

static void connected(void) {
  struct sockaddr_in address;
  int listener = tcp_listener(&address), fd = made(AF_INET, SOCK_STREAM);  // @connected
  MUST(connect(fd, (struct sockaddr*)&address, sizeof address) == 0);
  MUST(dup2(listener, 0) == 0);
  close(listener);
}

// Nobody is there any more.
static void reset(void) {
  struct sockaddr_in address;
  int listener = tcp_listener(&address), fd = made(AF_INET, SOCK_STREAM);
  MUST(connect(fd, (struct sockaddr*)&address, sizeof address) == 0);
  close(listener);
}

// Nobody accepts, and the queue is full: it stays where it is.
static void connecting(void) {
  struct sockaddr_in address;
  int listener = tcp_listener(&address), fillers[64], filled = 0;
  MUST(listen(listener, 0) == 0);
  for (; filled < 64; ++filled) {
    fillers[filled] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(fillers[filled], (struct sockaddr*)&address, sizeof address);
  }
  for (int i = 0; i < 63; ++i) close(fillers[i]);
  close(listener);
}

static int accepted_from(int (*take)(int, struct sockaddr_in*)) {
  struct sockaddr_in address;
  int listener = tcp_listener(&address), client = made(AF_INET, SOCK_STREAM);
  MUST(connect(client, (struct sockaddr*)&address, sizeof address) == 0);
  int fd = take(listener, &address);
  MUST(fd >= 0);
  close(client);
  close(listener);
  return fd;
}

static int with_address(int listener, struct sockaddr_in* address) {
  socklen_t size = sizeof *address;
  return accept(listener, (struct sockaddr*)address, &size);
}
static int without_address(int listener, struct sockaddr_in* unused) {
  (void)unused;
  return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

// Four bytes of room, the last ones of a page: code that reads all of the address, as its size says, dies.
static int with_little_room(int listener, struct sockaddr_in* unused) {
  (void)unused;
  socklen_t size = 4;
  char* pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(pages != MAP_FAILED && munmap(pages + 4096, 4096) == 0);
  int fd = accept(listener, (struct sockaddr*)(pages + 4092), &size);
  MUST(size == sizeof(struct sockaddr_in));
  return fd;
}

// No address at all: the connection is not lost by it, and errno is the kernel's.
static int with_bad_size(int listener, struct sockaddr_in* address) {
  MUST(accept(listener, (struct sockaddr*)address, (socklen_t*)8) == -1 && errno == EFAULT);
  struct sockaddr_in back;
  socklen_t size = sizeof back;
  MUST(getsockname(listener, (struct sockaddr*)&back, &size) == 0);
  int client = made(AF_INET, SOCK_STREAM);
  MUST(connect(client, (struct sockaddr*)&back, sizeof back) == 0);
  int fd = accept(listener, NULL, NULL);
  close(client);
  return fd;
}

static void accepted(void) { accepted_from(with_address); }
static void accepted_unasked(void) { accepted_from(without_address); }
static void accepted_cut(void) { accepted_from(with_little_room); }
static void accepted_badly(void) { accepted_from(with_bad_size); }

static void unix_listening(void) {
  struct sockaddr_un address = {AF_UNIX, "name"};
  int fd = made(AF_UNIX, SOCK_STREAM);
  MUST(bind(fd, (struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 1) == 0);
}

static socklen_t abstract_name(struct sockaddr_un* address) {
  *address = (struct sockaddr_un){AF_UNIX, ""};
  int length = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "scenario-%d", (int)getpid());
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static void unix_abstract(void) {
  struct sockaddr_un address;
  socklen_t size = abstract_name(&address);
  MUST(bind(made(AF_UNIX, SOCK_DGRAM), (struct sockaddr*)&address, size) == 0);
}

static void unix_ends(int* client, int* server) {
  struct sockaddr_un address = {AF_UNIX, "name"};
  int listener = made(AF_UNIX, SOCK_STREAM);
  MUST(bind(listener, (struct sockaddr*)&address, sizeof address) == 0 && listen(listener, 1) == 0);
  *client = made(AF_UNIX, SOCK_STREAM);
  MUST(connect(*client, (struct sockaddr*)&address, sizeof address) == 0);
  *server = accept(listener, NULL, NULL);
  MUST(*server >= 0);
  close(listener);
}

static void unix_client(void) {
  int client, server;
  unix_ends(&client, &server);
  close(server);
}

static void unix_accepted(void) {
  int client, server;
  unix_ends(&client, &server);
  close(client);
}

static void long_path(void) {
  struct sockaddr_un address = {AF_UNIX, ""};
  memset(address.sun_path, '/', 90);
  memcpy(address.sun_path, "./", 2);
  memcpy(address.sun_path + 90, "name", 5);
  int fd = made(AF_UNIX, SOCK_STREAM);
  MUST(bind(fd, (struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 1) == 0);
}

static void pair_end(void) {
  int ends[2];
  MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  MUST(dup2(ends[0], 40) == 40 && dup2(ends[1], 41) == 41);
  close(40);
  close(41);
}

static void pipe_ends(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
}

static void half_a_pipe(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
  close(ends[0]);
}

static void duplicated_end(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
  MUST(dup2(ends[1], 40) == 40);
  close(ends[0]);
  close(ends[1]);
}

static void by_number(void) {
  struct sockaddr_in address = v4(0);
  long fd = syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
  MUST(syscall(SYS_bind, fd, &address, sizeof address) == 0 && syscall(SYS_listen, fd, 1) == 0);
}

// connect that fails names nothing; UDP's may be taken back.
static void not_connected(void) {
  struct sockaddr_in address = v4(9);
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  int fd = made(AF_INET, SOCK_DGRAM);
  MUST(connect(fd, (struct sockaddr*)&address, sizeof address) == 0);
  MUST(connect(fd, &none, sizeof none) == 0);
  struct sockaddr_un missing = {AF_UNIX, "missing"};
  MUST(connect(fd, (struct sockaddr*)&missing, sizeof missing) != 0);
}

static const struct scenario kCases[] = {
    SCENARIO(unconnected), SCENARIO(netlink), SCENARIO(bound), SCENARIO(listening), SCENARIO(connected), SCENARIO(reset),
    SCENARIO(connecting), SCENARIO(accepted), SCENARIO(accepted_unasked), SCENARIO(accepted_cut),
    SCENARIO(accepted_badly), SCENARIO(unix_listening), SCENARIO(unix_abstract), SCENARIO(unix_client),
    SCENARIO(unix_accepted), SCENARIO(long_path), SCENARIO(pair_end), SCENARIO(pipe_ends), SCENARIO(half_a_pipe),
    SCENARIO(duplicated_end), SCENARIO(by_number), SCENARIO(not_connected), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  if (argc > 2 && strcmp(argv[2], "killed") == 0) kill(getpid(), SIGKILL);
  return 0;
}
