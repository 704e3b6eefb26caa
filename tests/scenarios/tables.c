// Who shares which descriptor table: clone in every mixture of memory and table, unshare, CLOSE_RANGE_UNSHARE.
#include "scenario.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif

static const char* program;

static int open_it(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(fd >= 3);
  return fd;
}

static void leak_it(void) { MUST(open("/dev/zero", O_RDONLY) >= 3); }  // @leaked

// Two tasks take turns.
static int to_child[2], to_parent[2], fd;

static void open_turns(void) {
  fd = open_it();
  MUST(pipe(to_child) == 0 && pipe(to_parent) == 0);
}
static void close_turns(void) {
  for (int i = 0; i < 2; ++i) MUST(close(to_child[i]) == 0 && close(to_parent[i]) == 0);
}
static void childs_turn(void) {
  send_byte(to_child[1]);
  await(to_parent[0]);
}
static void parents_turn(void) {
  send_byte(to_parent[1]);
  await(to_child[0]);
}

static char stack[64 * 1024] __attribute__((aligned(16)));

static pid_t start(int (*child)(void*), int flags) {
  pid_t pid = clone(child, stack + sizeof stack, flags | SIGCHLD, NULL);
  MUST(pid > 0);
  return pid;
}

// --- memory shared, tables apart: nothing that the child does is the parent's

static int does_as_it_likes(void* unused) {
  (void)unused;
  await(to_child[0]);
  MUST(close(fd) == 0);
  close(fd);
  for (int i = 0; i < 5; ++i) leak_it();
  parents_turn();
  dup2(fd + 5, fd);
  close_range(fd + 5, ~0U, 0);
  send_byte(to_parent[1]);
  return 3;
}

static void own_table(void) {
  open_turns();
  pid_t child = start(does_as_it_likes, CLONE_VM);
  childs_turn();
  int another = open_it();
  MUST(close(fd) == 0);
  childs_turn();
  MUST(status_of(child) == 3);
  MUST(close(another) == 0);
  close_turns();
}

// The parent goes on with its own after its child has ended, or failed to exec.
static int fails_to_exec(void* unused) {
  (void)unused;
  close(fd);
  execl("/nowhere/x", "x", (char*)NULL);
  _exit(7);
}
static void own_table_then_leak(void) {
  fd = open_it();
  MUST(status_of(start(fails_to_exec, CLONE_VM)) == 7);
  MUST(status_of(start(fails_to_exec, CLONE_VM | CLONE_VFORK)) == 7);
  MUST(close(fd) == 0);
  leak_it();
}

static int execs(void* unused) {
  (void)unused;
  if (fd > 0) close(fd);
  execl(program, program, "leaks", (char*)NULL);
  _exit(127);
}
static void own_table_exec(void) {
  fd = open_it();
  MUST(status_of(start(execs, CLONE_VM)) == 0);
  MUST(close(fd) == 0);
}
static void leaks(void) { leak_it(); }

#ifdef __x86_64__
extern void* _dl_allocate_tls(void*);

// A thread-local storage of its own, as thread libraries make it.
static void own_table_own_tls(void) {
  char* tls = _dl_allocate_tls(NULL);
  MUST(tls);
  char* own;
  __asm__("mov %%fs:0, %0" : "=r"(own));
  memcpy(tls + 0x28, own + 0x28, 16);
  *(char**)tls = *(char**)(tls + 16) = tls;
  open_turns();
  pid_t child = clone(does_as_it_likes, stack + sizeof stack, CLONE_VM | CLONE_SETTLS | SIGCHLD, NULL, NULL, tls);
  MUST(child > 0);
  childs_turn();
  int another = open_it();
  MUST(close(fd) == 0);
  childs_turn();
  MUST(status_of(child) == 3);
  MUST(close(another) == 0);
  close_turns();
}
#endif

// Beyond what can be kept of them.
static int awaits(void* unused) {
  (void)unused;
  char byte;
  close(fd);
  close(to_child[1]);
  MUST(read(to_child[0], &byte, 1) == 0);
  close(to_child[0]);
  return 0;
}
static void own_table_of_hundred(void) {
  enum { kChildren = 100, kStack = 32 * 1024 };
  static char stacks[kChildren][kStack] __attribute__((aligned(16)));
  pid_t children[kChildren];
  open_turns();
  for (int i = 0; i < kChildren; ++i) {
    children[i] = clone(awaits, stacks[i] + kStack, CLONE_VM | SIGCHLD, NULL);
    MUST(children[i] > 0);
  }
  MUST(close(fd) == 0);
  MUST(close(to_child[1]) == 0);
  for (int i = 0; i < kChildren; ++i) MUST(status_of(children[i]) == 0);
  MUST(close(to_child[0]) == 0 && close(to_parent[0]) == 0 && close(to_parent[1]) == 0);
}

// --- memory and table shared: as good as a thread

static int closes_and_opens(void* unused) {
  (void)unused;
  MUST(close(fd) == 0);
  fd = open_it();
  _exit(0);
}
static void all_shared(void) {
  fd = open_it();
  MUST(status_of(start(closes_and_opens, CLONE_VM | CLONE_FILES)) == 0);
  MUST(close(fd) == 0);
  leak_it();
}

static int closes_again(void* unused) {
  (void)unused;
  close(fd);  // @again
  return 0;
}
static void all_shared_double_close(void) {
  fd = open_it();
  MUST(close(fd) == 0);
  MUST(status_of(start(closes_again, CLONE_VM | CLONE_FILES)) == 0);
}

// The first process ends, and the other goes on with the table: what is open then is no leak.
static int outlives(void* unused) {
  (void)unused;
  struct pollfd parent = {fd, POLLIN, 0};
  while (poll(&parent, 1, -1) != 1) MUST(errno == EINTR);
  _exit(0);
}
static void all_shared_outlived(void) {
  fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
  MUST(fd >= 0);
  leak_it();
  start(outlives, CLONE_VM | CLONE_FILES);
  _exit(0);
}

// --- the table shared, memory apart

static int closes_opens_closes(void* unused) {
  (void)unused;
  await(to_child[0]);
  MUST(close(fd) == 0);
  parents_turn();
  MUST(open_it() == fd);
  parents_turn();
  leak_it();
  send_byte(to_parent[1]);
  _exit(0);
}
static void shared_table(void) {
  open_turns();
  int again = open_it();
  pid_t child = start(closes_opens_closes, CLONE_FILES);
  childs_turn();
  MUST(close(fd) == -1);
  childs_turn();
  MUST(close(fd) == 0);
  MUST(close(fd) == -1);
  MUST(close(again) == 0);
  childs_turn();
  MUST(status_of(child) == 0);
  leak_it();
}

// Numbers that the child has reported, and closed since: whose close was one too many, this one's ledger can't show.
static int hands_over(void* unused) {
  (void)unused;
  await(to_child[0]);
  MUST(open_it() == fd && dup2(fd, 700) == 700);
  MUST(close(fd) == 0 && close(700) == 0);
  send_byte(to_parent[1]);
  _exit(0);
}
static void shared_table_handed_over(void) {
  open_turns();
  pid_t child = start(hands_over, CLONE_FILES);
  MUST(close(fd) == 0);
  childs_turn();
  MUST(close(fd) == -1 && close(700) == -1);
  MUST(status_of(child) == 0);
  close_turns();
}

static void shared_table_by_number(void) {
  fd = open_it();
  pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(close(fd));
  MUST(status_of(child) == 0);
  MUST(close(fd) == -1);
}

// --- like fork

static int leaks_and_returns(void* unused) {
  (void)unused;
  close(fd);
  leak_it();
  return 9;
}
static void apart(void) {
  fd = open_it();
  MUST(status_of(start(leaks_and_returns, 0)) == 9);
  MUST(close(fd) == 0);
}

static void apart_by_clone3(void) {
#ifdef SYS_clone3
  struct {
    unsigned long long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } arguments = {.exit_signal = SIGCHLD};
  pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0 && errno == ENOSYS) child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#else
  pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
  if (child == 0) {
    leak_it();
    _exit(9);
  }
  MUST(status_of(child) == 9);
}

// A child that is pid 1, and one that is pid 2, where that is allowed.
static void apart_in_a_namespace(void) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) MUST(errno == EPERM || errno == ENOSPC || errno == EINVAL);
  int ends[2];
  MUST(pipe(ends) == 0);
  pid_t first = fork();
  if (first == 0) {
    char byte;
    close(ends[1]);
    MUST(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
    leak_it();
    exit(0);
  }
  pid_t second = fork();
  if (second == 0) {
    leak_it();
    exit(0);
  }
  MUST(status_of(second) == 0);
  close(ends[0]);
  close(ends[1]);
  MUST(status_of(first) == 0);
}

// Pid 1's child execs: the program is linked to it, though its pid is counted from 1.
static void execs_in_a_namespace(void) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) MUST(errno == EPERM || errno == ENOSPC || errno == EINVAL);
  pid_t first = fork();
  if (first == 0) {
    pid_t second = fork();
    if (second == 0) execs(NULL);
    exit(status_of(second));
  }
  MUST(status_of(first) == 0);
}

static void clones_fail(void) {
  for (int i = 0; i < 1000; ++i) {
    MUST(clone(execs, stack + sizeof stack, CLONE_SIGHAND | SIGCHLD, NULL) == -1);
    MUST(clone(execs, stack + sizeof stack, CLONE_VM | CLONE_THREAD | SIGCHLD, NULL) == -1);
    MUST(clone(execs, stack + sizeof stack, CLONE_FILES | CLONE_THREAD | SIGCHLD, NULL) == -1);
  }
  leak_it();
}

// --- unshare

static void* unshares(void* unused) {
  (void)unused;
  MUST(unshare(CLONE_FILES) == 0);
  MUST(close(fd) == 0);
  leak_it();
  return NULL;
}
static void* unshares_range(void* unused) {
  (void)unused;
  MUST(close_range(3, ~0U, CLOSE_RANGE_UNSHARE) == 0);
  MUST(open_it() == 3);
  return NULL;
}
static void beside(void* (*run)(void*)) {
  pthread_t thread;
  MUST(pthread_create(&thread, NULL, run, NULL) == 0 && pthread_join(thread, NULL) == 0);
}
static void thread_unshares(void) {
  fd = open_it();
  beside(unshares);
  MUST(close(fd) == 0);
  leak_it();
}
static void thread_unshares_range(void) {
  fd = open_it();
  beside(unshares_range);
  MUST(close(fd) == 0);
}

// The first thread parts from the others, whose table is reported.
static void* closes_it(void* unused) {
  (void)unused;
  await(to_child[0]);
  MUST(close(fd) == 0);
  return NULL;
}
static void* opens_three(void* unused) {
  (void)unused;
  for (int i = 0; i < 3; ++i) leak_it();
  return NULL;
}
static void first_thread_unshares(void) {
  pthread_t thread;
  open_turns();
  MUST(pthread_create(&thread, NULL, closes_it, NULL) == 0);
  MUST(unshare(CLONE_FILES) == 0);
  MUST(close(fd) == 0);
  beside(opens_three);  // it has the table of who made it
  send_byte(to_child[1]);
  MUST(pthread_join(thread, NULL) == 0);
  close_turns();
}

// It shares its table with nobody.
static void alone_unshares(void) {
  fd = open_it();
  MUST(unshare(CLONE_FILES) == 0);
  MUST(close(fd) == 0);
  MUST(close_range(900, 950, CLOSE_RANGE_UNSHARE) == 0);
  leak_it();
}

// --- 16 KB, a guard page below

static int works_on_little(void* unused) {
  (void)unused;
  int own = open("/dev/null", O_RDONLY);
  close(own);
  close(own);
  close_range(3, ~0U, 0);
  execl("/nowhere/x", "x", (char*)NULL);
  return 6;
}
static void little_stack(void) {
  enum { kGuard = 4096, kStack = 16 * 1024 };
  char* memory = mmap(NULL, kGuard + kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(memory != MAP_FAILED && mprotect(memory, kGuard, PROT_NONE) == 0);
  static const int kFlags[] = {0, CLONE_VM, CLONE_VM | CLONE_VFORK, CLONE_FILES, CLONE_VM | CLONE_FILES};
  for (unsigned i = 0; i < sizeof kFlags / sizeof *kFlags; ++i) {
    pid_t child = clone(works_on_little, memory + kGuard + kStack, kFlags[i] | SIGCHLD, NULL);
    MUST(child > 0 && status_of(child) == 6);
  }
}

static const struct scenario kCases[] = {
    SCENARIO(own_table),
    SCENARIO(own_table_then_leak),
    SCENARIO(own_table_exec),
    SCENARIO(leaks),
#ifdef __x86_64__
    SCENARIO(own_table_own_tls),
#endif
    SCENARIO(own_table_of_hundred),
    SCENARIO(all_shared),
    SCENARIO(all_shared_double_close),
    SCENARIO(all_shared_outlived),
    SCENARIO(shared_table),
    SCENARIO(shared_table_handed_over),
    SCENARIO(shared_table_by_number),
    SCENARIO(apart),
    SCENARIO(apart_by_clone3),
    SCENARIO(apart_in_a_namespace),
    SCENARIO(execs_in_a_namespace),
    SCENARIO(clones_fail),
    SCENARIO(thread_unshares),
    SCENARIO(thread_unshares_range),
    SCENARIO(first_thread_unshares),
    SCENARIO(alone_unshares),
    SCENARIO(little_stack),
    {NULL, NULL},
};

int main(int argc, char** argv) {
  program = argv[0];
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
