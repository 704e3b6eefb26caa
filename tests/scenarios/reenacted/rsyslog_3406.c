// A TLS thread aborts its session, which closes the socket, and destroys it, which closes it once more. In between the
// number has become another thread's file.
#include "scenario.h"

#include <pthread.h>
#include <sys/socket.h>

static pthread_barrier_t step;
static void next(void) { pthread_barrier_wait(&step); }

struct session {
  int socket;
};

static void socket_end(struct session* session) { close(session->socket); }  // @ended
static void session_abort(struct session* session) { socket_end(session); }
static void session_destroy(struct session* session) { socket_end(session); }  // @destroyed

static void* tls_thread(void* unused) {
  struct session session = {socket(AF_UNIX, SOCK_STREAM, 0)};  // @accepted
  session_abort(&session);
  next();
  next();
  session_destroy(&session);
  next();
  return unused;
}

static void* file_thread(void* unused) {
  next();
  int file = open("messages", O_CREAT | O_WRONLY, 0600);  // @file
  next();
  next();
  MUST(write(file, "line\n", 5) == -1);  // @line
  MUST(close(file) == -1);               // @file-closed
  return unused;
}

int main(void) {
  pthread_t tls, file;
  MUST(pthread_barrier_init(&step, NULL, 2) == 0);
  MUST(pthread_create(&tls, NULL, tls_thread, NULL) == 0 && pthread_create(&file, NULL, file_thread, NULL) == 0);
  pthread_join(tls, NULL);
  pthread_join(file, NULL);
  return 0;
}
