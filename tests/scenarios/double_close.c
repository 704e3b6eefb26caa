// The same descriptor closed twice, by every pair of functions that close.
#include "scenario.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>


static int open_it(void) { return open("/dev/null", O_RDONLY); }  // @opened

static void close_again(int fd) { close(fd); }  // @again

static void close_close(void) {
  int fd = open_it();
  close(fd);  // @close
  close_again(fd);
}

static void fclose_close(void) {
  FILE* file = fopen("/dev/null", "r");  // @fopened
  int fd = fileno(file);
  fclose(file);  // @fclose
  close_again(fd);
}

static void close_fclose(void) {
  FILE* file = fopen("/dev/null", "r");  // @fopened-2
  close(fileno(file));                   // @closed-under-it
  fclose(file);                          // @fclose-again
}

// The classic: fclose of an fdopen'd descriptor closes it, and then its first owner does.
static void fdopen_fclose_close(void) {
  int fd = open_it();
  FILE* file = fdopen(fd, "r");
  fclose(file);  // @fdopen-fclose
  close_again(fd);
}

static void closedir_close(void) {
  DIR* dir = opendir("/");  // @opendir
  int fd = dirfd(dir);
  closedir(dir);  // @closedir
  close_again(fd);
}

static void close_closedir(void) {
  DIR* dir = opendir("/");  // @opendir-2
  close(dirfd(dir));        // @closed-under-dir
  closedir(dir);            // @closedir-again
}

static void close_range_close(void) {
  int fd = open_it();
  MUST(close_range(fd, fd, 0) == 0);  // @close_range
  close_again(fd);
}

static void dup2_target(void) {
  MUST(dup2(0, 40) == 40);  // @dup2
  close(40);                // @dup2-close
  close_again(40);
}

// Three closes of one descriptor are one finding: of one cause, twice.
static void three_closes(void) {
  int fd = open_it();
  close(fd);  // @close-1
  for (int i = 0; i < 2; ++i) close_again(fd);
}

static void* wait_for_end(void* ends) {
  await(((int*)ends)[0]);
  return NULL;
}

// A second thread is there that could have opened something in between.
static void with_second_thread(void) {
  int ends[2];
  pthread_t thread;
  MUST(pipe(ends) == 0);
  MUST(pthread_create(&thread, NULL, wait_for_end, ends) == 0);
  int fd = open_it();
  close(fd);  // @close-threaded
  close_again(fd);
  send_byte(ends[1]);
  pthread_join(thread, NULL);
  close(ends[0]);
  close(ends[1]);
}

static void* close_in_thread(void* fd) {
  close(*(int*)fd);  // @close-in-thread
  return NULL;
}

static void two_threads(void) {
  pthread_t thread;
  int fd = open_it();
  MUST(pthread_create(&thread, NULL, close_in_thread, &fd) == 0);
  pthread_join(thread, NULL);
  close_again(fd);
}

static void in_fork_child(void) {
  int fd = open_it();
  pid_t child = fork();
  if (child == 0) {
    close(fd);  // @close-in-child
    close_again(fd);
    _exit(0);
  }
  MUST(status_of(child) == 0);
  close(fd);
}

// Nobody saw it opened (a system call of the program's own), and both closes were seen.
static void opened_unseen(void) {
  long fd;
  __asm__ volatile("syscall" : "=a"(fd) : "0"(SYS_dup), "D"(0) : "rcx", "r11", "memory");
  MUST(fd > 2);
  close((int)fd);  // @close-unseen
  close_again((int)fd);
}

static const struct scenario kCases[] = {SCENARIO(close_close),       SCENARIO(fclose_close),
                                         SCENARIO(close_fclose),      SCENARIO(fdopen_fclose_close),
                                         SCENARIO(closedir_close),    SCENARIO(close_closedir),
                                         SCENARIO(close_range_close), SCENARIO(dup2_target),
                                         SCENARIO(three_closes),      SCENARIO(with_second_thread),
                                         SCENARIO(two_threads),       SCENARIO(in_fork_child),
                                         SCENARIO(opened_unseen),     {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
