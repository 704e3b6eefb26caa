// A read that waits for the end of a pipe whose write end lies forgotten in another process; and all the reads that
// wait with good reason. What waits is killed once it has waited long enough to be reported.
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

#include "scenario.h"

static int is_reading(pid_t process) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/%d/syscall", process);
  FILE* file = fopen(path, "r");
  if (file == NULL) return 0;
  char* got = fgets(line, sizeof line, file);
  fclose(file);
  char* end = line;
  return got != NULL && strtol(line, &end, 10) == SYS_read && end != line && *end == ' ';
}

// Six tenths of a second in one read.
static void let_wait(pid_t reader) {
  for (int quiet = 0; quiet < 60; ++quiet) {
    if (!is_reading(reader)) quiet = 0;
    usleep(10000);
  }
}

static void end(pid_t process) {
  MUST(kill(process, SIGKILL) == 0);
  status_of(process);
}

static const char* program;

static void read_to_the_end(int fd) {
  char buffer[100];
  while (read(fd, buffer, sizeof buffer) > 0) {  // @waiting
  }
}

static void close_both(int ends[2]) {
  close(ends[0]);
  close(ends[1]);
}

static void sleep_for_ever(void) {
  for (;;) pause();
}

// --- a child's standard input: it was exec'd with the write end of its own pipe, and waits for itself

static pid_t start_reader(int ends[2]) {
  pid_t child = fork();
  if (child == 0) {
    MUST(dup2(ends[0], 0) == 0);
    close(ends[0]);
    execl(program, program, "the_reader", NULL);  // with ends[1]
    _exit(99);
  }
  return child;
}

static void waits_for_itself(void) {
  int ends[2];
  MUST(pipe(ends) == 0);  // @input-made
  pid_t child = start_reader(ends);
  close(ends[0]);
  MUST(write(ends[1], "line\n", 5) == 5);
  close(ends[1]);
  let_wait(child);
  end(child);
}

static void the_reader(void) { read_to_the_end(0); }

// --- a parent reads what one child writes, and another one has the write end, too

static void reading_parent(int with_stray, int stray_holds_on_purpose) {
  int ends[2];
  MUST(pipe(ends) == 0);  // @output-made
  pid_t writer = fork();
  if (writer == 0) {
    MUST(write(ends[1], "done\n", 5) == 5);
    _exit(0);
  }
  if (with_stray && fork() == 0) {
    if (stray_holds_on_purpose) close(ends[0]);
    sleep_for_ever();
  }
  close(ends[1]);
  read_to_the_end(ends[0]);
  MUST(!"the end");
}

/// Runs it in a process group of its own, and ends that.
static void hang(void (*run)(void)) {
  pid_t reader = fork();
  if (reader == 0) {
    setpgid(0, 0);
    run();
    _exit(0);
  }
  let_wait(reader);
  MUST(kill(-reader, SIGKILL) == 0);
  status_of(reader);
}

static void sibling_holds_it(void) { reading_parent(1, 0); }
static void another_waits_for_exit_too(void) { reading_parent(1, 1); }
static void waits_for_sibling(void) { hang(sibling_holds_it); }
static void waits_on_purpose(void) { hang(another_waits_for_exit_too); }

// --- waiting for the end of a child, by a pipe that nobody writes to

static void exit_notice(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
  if (fork() == 0) sleep_for_ever();
  close(ends[1]);
  read_to_the_end(ends[0]);
}
static void waits_for_exit(void) { hang(exit_notice); }

// --- a worker waits for its master's orders

static void waits_for_orders(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
  pid_t worker = fork();
  if (worker == 0) read_to_the_end(ends[0]);
  MUST(write(ends[1], "x", 1) == 1);
  let_wait(worker);
  end(worker);
  close_both(ends);
}

// --- tokens in a pipe that all have both ends of

static void waits_for_tokens(void) {
  int ends[2];
  MUST(pipe(ends) == 0 && write(ends[1], "++", 2) == 2);
  pid_t child = start_reader(ends);
  let_wait(child);
  end(child);
  close_both(ends);
}

// --- a daemon's pipe to itself, made before it forked

static void own_signals(void) {
  int ends[2];
  MUST(pipe(ends) == 0);
  int ready[2];
  MUST(pipe(ready) == 0);
  pid_t daemon = fork();
  if (daemon == 0) {
    send_byte(ready[1]);
    read_to_the_end(ends[0]);
  }
  await(ready[0]);
  close_both(ends);
  let_wait(daemon);
  end(daemon);
  close_both(ready);
}

// --- a handler jumps out of the read, and the process works on

static sigjmp_buf out;
static void jump(int signal) { siglongjmp(out, signal); }
static void jumped_out(void) {
  int ends[2], ready[2];
  MUST(pipe(ends) == 0 && pipe(ready) == 0);
  pid_t reader = fork();
  if (reader == 0) {
    signal(SIGUSR1, jump);
    if (sigsetjmp(out, 1) == 0) {
      send_byte(ready[1]);
      read_to_the_end(ends[0]);
    }
    close(open("/dev/null", O_RDONLY));
    send_byte(ready[1]);
    sleep_for_ever();
  }
  MUST(write(ends[1], "x", 1) == 1);
  close(ends[1]);
  await(ready[0]);
  let_wait(reader);
  MUST(kill(reader, SIGUSR1) == 0);
  await(ready[0]);
  end(reader);
  close(ends[0]);
  close_both(ready);
}

// --- what shells do

static int one_is_reading(pid_t group) {
  DIR* processes = opendir("/proc");
  int found = 0;
  for (const struct dirent* entry; !found && (entry = readdir(processes)) != NULL;) {
    const pid_t process = atoi(entry->d_name);
    found = process > 0 && getpgid(process) == group && is_reading(process);
  }
  closedir(processes);
  return found;
}

// Each script has one process that reads until it is killed.
static void shell(const char* script) {
  pid_t child = fork();
  if (child == 0) {
    setpgid(0, 0);
    execl("/bin/bash", "bash", "-c", script, NULL);
    _exit(99);
  }
  setpgid(child, child);  // both do, so that it is done whichever comes first
  for (int quiet = 0; quiet < 60; ++quiet) {
    if (!one_is_reading(child)) quiet = 0;
    usleep(10000);
  }
  MUST(kill(-child, SIGKILL) == 0);
  status_of(child);
}
static void pipeline(void) { shell("(echo x; exec sleep 100) | cat >/dev/null"); }
static void slow_start(void) { shell("sleep 100 | cat"); }
static void substitution(void) { shell("cat <(echo x; sleep 100) >/dev/null"); }
static void captured(void) { shell("x=$(echo x; sleep 100)"); }
static void background(void) { shell("sleep 100 & { echo x; exec sleep 100; } | cat >/dev/null"); }

// --- the writer is there for half a second, and ends later; the program itself is killed while a stray holds the end

static int has_ended(pid_t process) {
  char path[64], state = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", process);
  FILE* file = fopen(path, "r");
  if (file == NULL) return 1;
  int got = fscanf(file, "%*d (%*[^)]) %c", &state);
  fclose(file);
  return got == 1 && state == 'Z';
}

static pid_t start_writer(const int ends[2], const int go[2]) {
  pid_t writer = fork();
  if (writer != 0) return writer;
  close(ends[0]);
  send_byte(ends[1]);
  await(go[0]);
  _exit(0);
}

static void kill_reader(pid_t reader, pid_t writer, pid_t stray, int ends[2], const int go[2]) {
  if (fork() != 0) return;
  close_both(ends);
  let_wait(reader);
  send_byte(go[1]);
  while (!has_ended(writer)) usleep(10000);
  let_wait(reader);
  kill(reader, SIGKILL);
  kill(stray, SIGKILL);
  _exit(0);
}

static void killed_after_writer(void) {
  int ends[2], go[2];
  MUST(pipe(ends) == 0 && pipe(go) == 0);  // @later-made
  pid_t writer = start_writer(ends, go);
  pid_t stray = fork();
  if (stray == 0) sleep_for_ever();
  kill_reader(getpid(), writer, stray, ends, go);
  close_both(go);
  close(ends[1]);
  read_to_the_end(ends[0]);
}

static const struct scenario kCases[] = {
    SCENARIO(waits_for_itself), SCENARIO(the_reader),     SCENARIO(waits_for_sibling), SCENARIO(killed_after_writer),
    SCENARIO(waits_on_purpose), SCENARIO(waits_for_exit), SCENARIO(waits_for_orders),  SCENARIO(waits_for_tokens),
    SCENARIO(own_signals),      SCENARIO(jumped_out),     SCENARIO(pipeline),          SCENARIO(slow_start),
    SCENARIO(substitution),     SCENARIO(captured),       SCENARIO(background),        {NULL, NULL}};

int main(int argc, char** argv) {
  program = argv[0];
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
