// Who closed somebody else's descriptor: structures of bugs that others have had, and as many ways of closing and using
// that look like them and are right. Threads keep step by barriers.
#include "scenario.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static pthread_barrier_t step;
static void next(void) { pthread_barrier_wait(&step); }

static void together(void* (*first)(void*), void* (*second)(void*)) {
  pthread_t a, b;
  MUST(pthread_barrier_init(&step, NULL, 2) == 0);
  MUST(pthread_create(&a, NULL, first, NULL) == 0 && pthread_create(&b, NULL, second, NULL) == 0);
  pthread_join(a, NULL);
  pthread_join(b, NULL);
}

// --- a session closes its socket twice; between the two the number has become another thread's log file

static void* tls_session(void* unused) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);  // @session-opened
  close(fd);                                 // @session-closed
  next();
  next();
  close(fd);  // @session-again
  next();
  return unused;
}

static void* log_writer(void* unused) {
  next();
  int fd = open("log", O_CREAT | O_WRONLY, 0600);  // @log-opened
  next();
  next();
  MUST(write(fd, "line\n", 5) == -1);  // @log-written
  MUST(close(fd) == -1);               // @log-closed
  return unused;
}

static void recycled_number(void) { together(tls_session, log_writer); }

// --- the same, and the victim never closes: it maps

static void* mapping_reader(void* unused) {
  next();
  int fd = open("/proc/self/exe", O_RDONLY);  // @map-opened
  next();
  next();
  MUST(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);  // @mapped
  return unused;
}

static void victim_maps(void) { together(tls_session, mapping_reader); }

// --- a stream's number closed under it

static void close_under_stream(FILE* file) { close(fileno(file)); }  // @under-stream

static void stream_closed_under_it(void) {
  FILE* file = fopen("log", "w");  // @stream
  close_under_stream(file);
  MUST(fclose(file) != 0);  // @stream-closed
}

static void handed_to_stream(void) {
  int fd = open("log", O_CREAT | O_WRONLY, 0600);  // @handed
  FILE* file = fdopen(fd, "w");
  MUST(file);
  close(fd);  // @handed-closed
}

// --- fclose, and then close of the number that was its own

static void fclose_and_close(void) {
  FILE* file = fopen("log", "w");  // @both
  int fd = fileno(file);
  fclose(file);  // @both-fclose
  close(fd);     // @both-close
}

// --- a daemon's sweep takes the log away

static int log_number;
static void open_log(void) { log_number = open("log", O_CREAT | O_WRONLY, 0600); }  // @swept-opened
static void become_daemon(void) { close_range(3, ~0U, 0); }                         // @sweep
static void log_line(void) { MUST(write(log_number, "x", 1) == -1); }               // @swept-used

static void sweep_takes_the_log(void) {
  open_log();
  become_daemon();
  log_line();
}

static void become_daemon_by_loop(void) {
  for (int fd = 3; fd < 60; ++fd) close(fd);  // @loop
}

static void loop_takes_the_log(void) {
  open_log();
  become_daemon_by_loop();
  log_line();
}

// --- dup2 onto a number that another has

static int connection;
static void take_number(int fd) { MUST(dup2(fd, connection) == connection); }  // @overwriting

static void overwrite_and_close(void) {
  int zero = open("/dev/zero", O_RDONLY);
  connection = socket(AF_UNIX, SOCK_STREAM, 0);  // @mine
  take_number(zero);
  close(connection);  // @mine-closed
  close(zero);
}

// --- a stream's number gets another file, which is the stream's from then on

static FILE* rotating;
static void open_rotating(void) { rotating = fopen("log", "w"); }
static void rotate(void) {
  int fd = open("log.new", O_CREAT | O_WRONLY, 0600);
  MUST(fflush(rotating) == 0 && dup2(fd, fileno(rotating)) == fileno(rotating) && close(fd) == 0);  // @rotated
}
static void rotated_log(void) {
  rotating = fopen("log", "w");
  rotate();
  MUST(fputs("line\n", rotating) >= 0 && fclose(rotating) == 0);
}
static void close_rotated(void) { close(fileno(rotating)); }  // @under-rotated
static void rotated_and_closed_under(void) {
  open_rotating();
  rotate();
  close_rotated();
}

// --- standard output becomes a file

static void close_output(void) { close(1); }                                             // @output-closed
static void open_data(void) { MUST(open("data", O_CREAT | O_WRONLY, 0600) == 1); }       // @output-reused
static void print(void) { MUST(write(1, "line\n", 5) == 5); }
static void output_becomes_data(void) {
  close_output();
  open_data();
  print();
}
// However many are given the number: the close is the cause.
static void open_other(void) { MUST(open("other", O_CREAT | O_WRONLY, 0600) == 1); }
static void close_data(void) { close(1); }
static void output_becomes_several(void) {
  close_output();
  open_data();
  print();
  close_data();
  open_other();
  print();
}
// Nobody prints: nothing lands in the wrong file.
static void output_unused(void) {
  close_output();
  open_data();
}
static void open_list(void) { MUST(open("/etc/passwd", O_RDONLY) == 1); }
static void output_becomes_list(void) {
  close_output();
  open_list();
  char byte;
  MUST(read(1, &byte, 1) == 1);
}
static void at_the_end(void) {
  close_output();
  open_data();
  print();
}
static void output_closed_at_exit(void) { atexit(at_the_end); }
// printf's text is still in its buffer when the program ends.
static void output_becomes_data_late(void) {
  close_output();
  open_data();
  printf("line\n");
  exit(0);
}

static void redirect_by_hand(void) {
  close(1);
  MUST(open("data", O_CREAT | O_WRONLY, 0600) == 1);
}
static void output_to_null(void) {
  close_output();
  MUST(open("/dev/null", O_WRONLY) == 1);
}
static void output_by_dup(void) {
  int fd = open("data", O_CREAT | O_WRONLY, 0600);
  close_output();
  MUST(dup(fd) == 1);
  close(fd);
}

// --- the table is full

static void open_many(void) {
  while (open("/dev/null", O_RDONLY) >= 0) continue;  // @many
}
static void run_out(void) {
  struct rlimit limit = {40, 40};
  MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  open_many();
  MUST(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EMFILE);
}

// --- what crosses an exec

static void start_program(void) {
  pid_t child = fork();
  if (child == 0) {
    execl("/bin/true", "true", NULL);
    _exit(98);
  }
  MUST(status_of(child) == 0);
}
static void crosses_exec(void) {
  int fd = open("/dev/zero", O_RDONLY);  // @crossing
  start_program();
  close(fd);
}
static void meant_to_cross(void) {
  int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  MUST(fcntl(fd, F_SETFD, 0) == 0);
  start_program();
  close(fd);
}
static void stays_here(void) {
  int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  start_program();
  close(fd);
}

// --- right: handed to another thread, or to a helper, which closes it once

static int handed;
static void* worker(void* unused) {
  for (int i = 0; i < 5; ++i) {
    next();
    close(handed);
    next();
  }
  return unused;
}
static void* producer(void* unused) {
  for (int i = 0; i < 5; ++i) {
    handed = open("/dev/null", O_RDONLY);
    next();
    next();
  }
  return unused;
}
static void handed_to_a_worker(void) { together(worker, producer); }

// The helper closes for everybody; one opener closes once more. That is its own mistake.
static void close_helper(int fd) { close(fd); }  // @helper
static void careful(void) { close_helper(open("/dev/null", O_RDONLY)); }
static void careless(void) {
  int fd = open("/dev/null", O_RDONLY);  // @careless-opened
  close_helper(fd);
  close(fd);  // @careless-again
}
static void helper_is_innocent(void) {
  careful();
  careless();
}

// --- right: asking whether a number is open

static void probes(void) {
  int fd = open("/dev/null", O_RDONLY);
  close(fd);
  MUST(fcntl(fd, F_GETFD) == -1 && fcntl(fd, F_GETFL) == -1 && fcntl(fd, F_DUPFD, 0) == -1 && dup(fd) == -1);
  MUST(lseek(fd, 0, SEEK_CUR) == -1 && write(fd, "", 0) == -1 && !isatty(fd));
}

static void used_after_close(void) {
  int fd = open("/dev/null", O_RDWR);  // @use-opened
  close(fd);                           // @use-closed
  for (int i = 0; i < 3; ++i) MUST(write(fd, "x", 1) == -1);  // @used
}

static void accepted_after_close(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(fd >= 0 && close(fd) == 0);
  MUST(accept(fd, NULL, NULL) == -1 && errno == EBADF);                  // @accepted
  MUST(accept4(fd, NULL, NULL, 0) == -1 && errno == EBADF);              // @accepted4
  MUST(syscall(SYS_accept4, fd, NULL, NULL, 0) == -1 && errno == EBADF);  // @accepted-by-number
}

// An error that is no EBADF is the program's business.
static void accepted_too_early(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  MUST(accept(fd, NULL, NULL) == -1 && errno == EINVAL);
  close(fd);
}

int main(int argc, char** argv) {
  static const struct scenario kScenarios[] = {
      SCENARIO(recycled_number),    SCENARIO(victim_maps),         SCENARIO(stream_closed_under_it),
      SCENARIO(handed_to_stream),   SCENARIO(fclose_and_close),    SCENARIO(sweep_takes_the_log),
      SCENARIO(loop_takes_the_log), SCENARIO(overwrite_and_close), SCENARIO(output_becomes_data),
      SCENARIO(output_becomes_several), SCENARIO(output_unused), SCENARIO(output_becomes_list),
      SCENARIO(output_closed_at_exit), SCENARIO(output_becomes_data_late),
      SCENARIO(redirect_by_hand),   SCENARIO(output_to_null),      SCENARIO(output_by_dup),
      SCENARIO(run_out),            SCENARIO(crosses_exec),        SCENARIO(meant_to_cross),
      SCENARIO(stays_here),         SCENARIO(handed_to_a_worker),  SCENARIO(helper_is_innocent),
      SCENARIO(probes),             SCENARIO(used_after_close),    SCENARIO(accepted_after_close),
      SCENARIO(accepted_too_early), SCENARIO(rotated_log),         SCENARIO(rotated_and_closed_under),
      {NULL, NULL}};
  run_scenario(kScenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
