// clone(2), _Fork and unshare; see calls.c.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <signal.h>

extern pid_t _Fork(void);
extern int __clone(int (*)(void*), void*, int, void*, ...);

static char clone_stack[64 * 1024] __attribute__((aligned(16)));
static int clone_pidfd;
static int exits_with(void* status) { return *(int*)status; }

// unshare alone changes nothing: there must be somebody to part from.
static void* waits(void* mutex) {
  pthread_mutex_lock(mutex);
  return NULL;
}
static int unshared_beside_a_thread(void) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_t thread;
  pthread_mutex_lock(&mutex);
  if (pthread_create(&thread, NULL, waits, &mutex)) abort();
  int result = unshare(CLONE_FILES);
  pthread_mutex_unlock(&mutex);
  pthread_join(thread, NULL);
  return result;
}

// What waitpid says of a child that clone has made.
#define CLONED(call, flags, ...)                                                                         \
  ({                                                                                                     \
    int code = 5;                                                                                        \
    reaped(call(exits_with, clone_stack + sizeof clone_stack, (flags) | SIGCHLD, &code, ##__VA_ARGS__)); \
  })

#define CLONE_CALLS(CALL)                                                                                          \
  CALL(_Fork, "-", reaped(_Fork()), kNone)                                                                         \
  CALL(clone, "pidfd", CLONED(clone, CLONE_VM | CLONE_VFORK | CLONE_PIDFD, &clone_pidfd), clone(0, 0, SIGCHLD, 0)) \
  CALL(__clone, "pidfd", CLONED(__clone, CLONE_PIDFD, &clone_pidfd),                                               \
       __clone(exits_with, clone_stack + sizeof clone_stack, CLONE_SIGHAND | SIGCHLD, &clone_pidfd))               \
  CALL(unshare, "-", unshared_beside_a_thread(), unshare(-1))
