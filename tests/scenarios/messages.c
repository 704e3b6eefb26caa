// Descriptors that come with messages (SCM_RIGHTS).
#include "scenario.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

enum { kMost = 4 };

// A message's buffers, with room for `room` bytes of control data.
struct mail {
  char byte;
  struct iovec data;
  _Alignas(struct cmsghdr) char control[256];
  struct msghdr header;
};

static struct msghdr* prepare(struct mail* mail, size_t room) {
  memset(mail, 0, sizeof *mail);
  mail->byte = 'x';
  mail->data = (struct iovec){&mail->byte, 1};
  mail->header = (struct msghdr){.msg_iov = &mail->data, .msg_iovlen = 1, .msg_control = mail->control, .msg_controllen = room};
  return &mail->header;
}

// Sends `count` descriptors of /dev/zero in one message, and closes them: a sender that does its part.
static void post(int socket, int count) {
  struct mail mail;
  int fds[kMost];
  for (int i = 0; i < count; ++i) MUST((fds[i] = open("/dev/zero", O_RDONLY)) >= 0);
  struct msghdr* header = prepare(&mail, CMSG_SPACE(sizeof *fds * (size_t)count));
  struct cmsghdr* rights = CMSG_FIRSTHDR(header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof *fds * (size_t)count);
  memcpy(CMSG_DATA(rights), fds, sizeof *fds * (size_t)count);
  MUST(sendmsg(socket, header, 0) == 1);
  for (int i = 0; i < count; ++i) close(fds[i]);
}

// The descriptors of a received message.
static int rights_of(struct msghdr* header, int* fds) {
  int count = 0;
  for (struct cmsghdr* c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    int there = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds + count, CMSG_DATA(c), sizeof(int) * (size_t)there);
    count += there;
  }
  return count;
}

static void pair_of(int* ends) { MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0); }

static void close_both(const int* ends) {
  close(ends[0]);
  close(ends[1]);
}

// A child connects and sends: the maker of the other end is known to be the child.
static void leak_recvmsg(void) {
  struct sockaddr_un address = {AF_UNIX, "socket"};
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(bind(listener, (struct sockaddr*)&address, sizeof address) == 0 && listen(listener, 1) == 0);
  pid_t child = fork();
  if (child == 0) {
    int out = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(connect(out, (struct sockaddr*)&address, sizeof address) == 0);
    post(out, 1);
    close(out);
    _exit(0);
  }
  int in = accept(listener, NULL, NULL);
  struct mail mail;
  MUST(recvmsg(in, prepare(&mail, 64), MSG_CMSG_CLOEXEC) == 1);  // @recvmsg
  MUST(status_of(child) == 0);
  close(in);
  close(listener);
}

// Over a socketpair only the message itself can show it.
static void leak_with_credentials(void) {
  int ends[2], on = 1;
  pair_of(ends);
  MUST(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  pid_t child = fork();
  if (child == 0) {
    post(ends[0], 1);
    _exit(0);
  }
  struct mail mail;
  MUST(recvmsg(ends[1], prepare(&mail, 256), 0) == 1);  // @credentials
  MUST(status_of(child) == 0);
  close_both(ends);
}

static void leak_from_unknown(void) {
  int ends[2];
  pair_of(ends);
  pid_t child = fork();
  if (child == 0) {
    post(ends[0], 1);
    _exit(0);
  }
  struct mail mail;
  MUST(recvmsg(ends[1], prepare(&mail, 256), 0) == 1);  // @unknown
  MUST(status_of(child) == 0);
  close_both(ends);
}

static void leak_by_number(void) {
  int ends[2];
  pair_of(ends);
  post(ends[0], 1);
  post(ends[0], 2);
  struct mail mail;
  MUST(syscall(SYS_recvmsg, ends[1], prepare(&mail, 64), 0) == 1);  // @by-number
  struct mmsghdr message = {.msg_hdr = *prepare(&mail, 64)};
  MUST(syscall(SYS_recvmmsg, ends[1], &message, 1, MSG_CMSG_CLOEXEC, NULL) == 1);  // @many-by-number
  close_both(ends);
}

// Two of three messages have come, and the third is never sent.
static void leak_recvmmsg(void) {
  int ends[2], fds[kMost];
  pair_of(ends);
  post(ends[0], 1);
  post(ends[0], 2);
  struct mail mail[3];
  struct mmsghdr messages[3];
  for (int i = 0; i < 3; ++i) messages[i] = (struct mmsghdr){.msg_hdr = *prepare(&mail[i], 64)};
  MUST(recvmmsg(ends[1], messages, 3, MSG_WAITFORONE, NULL) == 2);  // @recvmmsg
  MUST(rights_of(&messages[1].msg_hdr, fds) == 2);
  close(fds[0]);
  close_both(ends);
}

// The time is over after the first message; the second one's descriptors were not received, and go with the socket.
static void leak_before_timeout(void) {
  int ends[2];
  struct timespec none = {0, 0};
  pair_of(ends);
  post(ends[0], 1);
  post(ends[0], 2);
  struct mail mail[2];
  struct mmsghdr messages[2];
  for (int i = 0; i < 2; ++i) messages[i] = (struct mmsghdr){.msg_hdr = *prepare(&mail[i], 64)};
  MUST(recvmmsg(ends[1], messages, 2, 0, &none) == 1);  // @timeout
  close_both(ends);
}

// Room for two of four.
static void leak_truncated(void) {
  int ends[2];
  pair_of(ends);
  post(ends[0], 4);
  struct mail mail;
  struct msghdr* header = prepare(&mail, CMSG_LEN(2 * sizeof(int)));
  MUST(recvmsg(ends[1], header, 0) == 1);  // @truncated
  MUST((header->msg_flags & MSG_CTRUNC) != 0);
  close_both(ends);
}

// No room for a descriptor: none is installed, and none may be reported.
static void truncated_to_nothing(void) {
  int ends[2], on = 1;
  pair_of(ends);
  MUST(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  for (size_t room = 0; room < CMSG_SPACE(sizeof(struct ucred)) + CMSG_LEN(sizeof(int)); ++room) {
    struct mail mail;
    post(ends[0], 2);
    struct msghdr* header = prepare(&mail, room);
    // Numbers behind the end, as a careless reader would take them for descriptors.
    for (size_t i = room; i < sizeof mail.control; ++i) mail.control[i] = 1;
    MUST(recvmsg(ends[1], header, 0) == 1);
    MUST((header->msg_flags & MSG_CTRUNC) != 0);
  }
  close_both(ends);
}

// A look ahead installs descriptors too, each time.
static void leak_peeked(void) {
  int ends[2], fds[kMost];
  pair_of(ends);
  post(ends[0], 1);
  struct mail mail;
  MUST(recvmsg(ends[1], prepare(&mail, 64), MSG_PEEK) == 1);  // @peeked
  struct msghdr* header = prepare(&mail, 64);
  MUST(recvmsg(ends[1], header, 0) == 1);
  MUST(rights_of(header, fds) == 1);
  close(fds[0]);
  close_both(ends);
}

// The kernel makes a descriptor of the sender's process for the receiver.
static void leak_pidfd(void) {
  int ends[2], on = 1;
  pair_of(ends);
  if (setsockopt(ends[1], SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on) != 0) _exit(77);  // before Linux 6.5
  MUST(send(ends[0], "x", 1, 0) == 1);
  struct mail mail;
  MUST(recvmsg(ends[1], prepare(&mail, 64), 0) == 1);  // @pidfd
  close_both(ends);
}

static void growing(void) {
  int ends[2];
  pair_of(ends);
  for (int i = 0; i < 9; ++i) {
    struct mail mail;
    post(ends[0], 1);
    MUST(recvmsg(ends[1], prepare(&mail, 64), 0) == 1);  // @growing
  }
  close_both(ends);
}

static void closed_twice(void) {
  int ends[2], fds[kMost];
  pair_of(ends);
  post(ends[0], 1);
  struct mail mail;
  struct msghdr* header = prepare(&mail, 64);
  MUST(recvmsg(ends[1], header, 0) == 1);  // @twice-received
  MUST(rights_of(header, fds) == 1);
  close(fds[0]);  // @twice-closed
  close(fds[0]);  // @twice-again
  close_both(ends);
}

// --- none of these does anything wrong

static void take_and_close(int socket, int flags) {
  int fds[kMost];
  struct mail mail;
  struct msghdr* header = prepare(&mail, 256);
  MUST(recvmsg(socket, header, flags) == 1);
  int count = rights_of(header, fds);
  MUST(count > 0);
  for (int i = 0; i < count; ++i) close(fds[i]);
}

static void passed_to_child(void) {
  int ends[2];
  pair_of(ends);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    for (int i = 0; i < 20; ++i) take_and_close(ends[1], i % 2 ? MSG_CMSG_CLOEXEC : 0);
    _exit(0);
  }
  close(ends[1]);
  for (int i = 0; i < 20; ++i) post(ends[0], 1 + i % kMost);
  MUST(status_of(child) == 0);
  close(ends[0]);
}

static void* take_twenty(void* socket) {
  for (int i = 0; i < 20; ++i) take_and_close(*(int*)socket, 0);
  return NULL;
}

static void passed_to_thread(void) {
  int ends[2];
  pthread_t receiver;
  pair_of(ends);
  MUST(pthread_create(&receiver, NULL, take_twenty, &ends[1]) == 0);
  for (int i = 0; i < 20; ++i) post(ends[0], 1 + i % kMost);
  pthread_join(receiver, NULL);
  close_both(ends);
}

static void peeked_and_closed(void) {
  int ends[2];
  pair_of(ends);
  post(ends[0], 2);
  take_and_close(ends[1], MSG_PEEK);
  take_and_close(ends[1], MSG_PEEK);
  take_and_close(ends[1], 0);
  close_both(ends);
}

// Other control data, and none.
static void no_descriptors(void) {
  int ends[2], on = 1;
  struct mail mail;
  pair_of(ends);
  MUST(setsockopt(ends[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) == 0);
  MUST(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
  for (size_t room = 0; room < 256; room += 5) {
    MUST(send(ends[0], "x", 1, 0) == 1);
    MUST(recvmsg(ends[1], prepare(&mail, room), 0) == 1);
  }
  close_both(ends);
}

static const struct scenario kCases[] = {
    SCENARIO(leak_recvmsg), SCENARIO(leak_with_credentials), SCENARIO(leak_from_unknown), SCENARIO(leak_recvmmsg), SCENARIO(leak_by_number),
    SCENARIO(leak_before_timeout), SCENARIO(leak_truncated), SCENARIO(truncated_to_nothing), SCENARIO(leak_peeked),
    SCENARIO(leak_pidfd), SCENARIO(growing), SCENARIO(closed_twice), SCENARIO(passed_to_child),
    SCENARIO(passed_to_thread), SCENARIO(peeked_and_closed), SCENARIO(no_descriptors), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
