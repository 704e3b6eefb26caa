// Lines for the remote shells: a server that does nothing answers them on the loopback.
#pragma once

// clang-format off

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

// Says "well begun" to one client, having called it back where it asks for that, and stays until it has gone.
static void serve(int listener) {
  char byte = 0;
  struct sockaddr_in peer;
  socklen_t size = sizeof peer;
  alarm(20);
  const int client = accept(listener, (struct sockaddr*)&peer, &size), back = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(1023)};  // rcmd wants a privileged port
  int port = 0;
  while (read(client, &byte, 1) == 1 && byte) port = port * 10 + byte - '0';
  while (port && bind(back, (struct sockaddr*)&own, sizeof own)) own.sin_port = htons(ntohs(own.sin_port) - 1);
  peer.sin_port = htons(port);
  if (port && connect(back, (struct sockaddr*)&peer, sizeof peer)) _exit(1);
  byte = 0;
  if (write(client, &byte, 1) != 1) _exit(1);
  while (read(client, &byte, 1) == 1) continue;
  _exit(0);
}

// The port of such a server, in network byte order.
static int served(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr*)&address, size) || listen(listener, 1) ||
      getsockname(listener, (struct sockaddr*)&address, &size))
    abort();
  const pid_t server = fork();
  if (server == 0) serve(listener);
  close(listener);
  return address.sin_port;
}

static char* host;
static char loopback[] = "127.0.0.1";
static const char* local(void) { return host = loopback; }
static int errors_fd, port;

// A privileged port that another program has just used leaves its EADDRINUSE in errno, although the next one is free.
static int succeeded(int fd) {
  if (fd >= 0) errno = 0;
  return fd;
}
#define PRIVILEGED(call) (geteuid() == 0 ? succeeded(call) : kNone)

#define REMOTE_CALLS(CALL)                                                                                          \
  CALL(rresvport, "-", PRIVILEGED(rresvport((port = 1023, &port))), (limited(0), rresvport((port = 1023, &port))))   \
  CALL(rresvport_af, "-", PRIVILEGED(rresvport_af((port = 1023, &port), AF_INET)),                                  \
       rresvport_af((port = 1023, &port), AF_UNIX))                                                                 \
  CALL(rcmd, "-", PRIVILEGED((local(), rcmd(&host, served(), "me", "you", "command", &errors_fd))),                 \
       (local(), limited(0), rcmd(&host, htons(9), "me", "you", "command", NULL)))                                  \
  CALL(rcmd_af, "-", PRIVILEGED((local(), rcmd_af(&host, served(), "me", "you", "command", NULL, AF_INET))),        \
       (local(), rcmd_af(&host, htons(9), "me", "you", "command", NULL, 999)))                                      \
  CALL(rexec, "socket", (local(), rexec(&host, served(), "me", "secret", "command", &errors_fd)),                   \
       (local(), limited(0), rexec(&host, htons(9), "me", "secret", "command", NULL)))                              \
  CALL(rexec_af, "socket", (local(), rexec_af(&host, served(), "me", "secret", "command", NULL, AF_INET)),          \
       (local(), rexec_af(&host, htons(9), "me", "secret", "command", NULL, 999)))
