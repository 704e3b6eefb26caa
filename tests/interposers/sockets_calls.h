#pragma once

// The lines of sockets and messages; see calls.c.

#include <sys/uio.h>

extern int __connect(int, const struct sockaddr*, socklen_t);

// One descriptor on its way through a socketpair; the receiving end.
static int with_rights(void) {
  int pair[2], sent = open("/dev/zero", O_RDONLY);
  char byte = 'x', control[CMSG_SPACE(sizeof sent)] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof sent);
  memcpy(CMSG_DATA(header), &sent, sizeof sent);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || sendmsg(pair[0], &message, 0) != 1) abort();
  return pair[1];
}

static char received[64], received_byte;
static struct iovec received_data = {&received_byte, 1};
static struct mmsghdr incoming[2];

static struct mmsghdr* empty(void) {
  for (int i = 0; i < 2; ++i) {
    incoming[i].msg_hdr = (struct msghdr){
        .msg_iov = &received_data, .msg_iovlen = 1, .msg_control = received, .msg_controllen = sizeof received};
  }
  return incoming;
}

static struct sockaddr_un unix_name = {AF_UNIX, "named"};

// A listening socket named "named".
static int unix_listener(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr*)&unix_name, sizeof unix_name) || listen(fd, 1)) abort();
  return fd;
}

static int connected(int (*by)(int, const struct sockaddr*, socklen_t)) {
  if (unix_listener() < 0) abort();
  return by(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr*)&unix_name, sizeof unix_name);
}

#define NAMED (struct sockaddr*)&unix_name, sizeof unix_name

#define SOCKETS_CALLS(CALL)                                                                      \
  CALL(bind, "-", bind(socket(AF_UNIX, SOCK_STREAM, 0), NAMED), bind(777, NAMED))                \
  CALL(listen, "-", listen(unix_listener(), 3), listen(777, 3))                                  \
  CALL(connect, "-", connected(connect), connect(777, NAMED))                                    \
  CALL(__connect, "-", connected(__connect), __connect(socket(AF_UNIX, SOCK_STREAM, 0), NAMED))  \
  CALL(recvmsg, "character-device", recvmsg(with_rights(), &empty()->msg_hdr, MSG_CMSG_CLOEXEC), \
       recvmsg(with_rights(), (struct msghdr*)unmapped, 0))                                      \
  CALL(recvmmsg, "character-device", recvmmsg(with_rights(), empty(), 2, MSG_DONTWAIT, NULL),    \
       recvmmsg(with_rights(), (struct mmsghdr*)unmapped, 2, MSG_DONTWAIT, NULL))
