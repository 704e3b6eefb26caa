// Children that libc starts by itself.
#include "scenario.h"

#include <pthread.h>
#include <spawn.h>

extern char** environ;
static char* program;

static int open_it(void) {
  int fd = open("/dev/null", O_RDONLY);
  MUST(fd >= 3);
  return fd;
}

static void spawn(void) {
  int fd = open_it();
  pid_t child;
  char* arguments[] = {"true", NULL};
  MUST(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
  MUST(status_of(child) == 0);
  close(fd);
}

// The actions are the child's alone.
static void spawn_with_actions(void) {
  int fd = open_it();
  pid_t child;
  char* arguments[] = {"cat", NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fd, 0);
  posix_spawn_file_actions_addclose(&actions, fd);
  MUST(posix_spawnp(&child, "cat", &actions, NULL, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  MUST(status_of(child) == 0);
  MUST(close(fd) == 0);
}

// --- whose descriptor is it? The program that was started closes its number 3 twice.

static int open_first(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }   // @first
static int open_second(void) { return open("/dev/zero", O_RDONLY | O_CLOEXEC); }  // @second

static void stage_closes_3_twice(void) {
  MUST(close(3) == 0);   // @closed
  MUST(close(3) == -1);  // @again
}

static pid_t start(posix_spawn_file_actions_t* actions) {
  pid_t child;
  char* arguments[] = {program, "stage_closes_3_twice", NULL};
  MUST(posix_spawn(&child, program, actions, NULL, arguments, environ) == 0);  // @spawn
  posix_spawn_file_actions_destroy(actions);
  return child;
}

// Its 3 is our 4, which we close at once.
static void spawn_duplicates(void) {
  MUST(open_first() == 3 && open_second() == 4);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 4, 9);
  posix_spawn_file_actions_adddup2(&actions, 9, 3);
  pid_t child = start(&actions);
  MUST(close(4) == 0 && close(3) == 0);
  MUST(open_first() == 3 && open_first() == 4);
  MUST(status_of(child) == 0);
  MUST(close(4) == 0 && close(3) == 0);
}

// Its 3 is ours; dup2 onto itself takes close-on-exec off.
static void spawn_keeps(void) {
  MUST(open_first() == 3 && open_second() == 4);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 3, 3);
  MUST(status_of(start(&actions)) == 0);
  MUST(close(4) == 0 && close(3) == 0);
}

static void spawn_opens(void) {
  MUST(open_first() == 3);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 3, "/dev/null", O_RDONLY, 0);
  MUST(status_of(start(&actions)) == 0);
  MUST(close(3) == 0);
}

// More than is remembered: then nobody is named.
static void spawn_with_many_actions(void) {
  MUST(open_first() == 3 && open_second() == 4);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int i = 0; i < 40; ++i) posix_spawn_file_actions_adddup2(&actions, 4, 3);
  MUST(status_of(start(&actions)) == 0);
  MUST(close(4) == 0 && close(3) == 0);
}

static void vfork_duplicates(void) {
  MUST(open_first() == 3 && open_second() == 4);
  pid_t child = vfork();
  if (child == 0) {
    dup2(4, 9);
    dup2(9, 3);
    close(9);
    execl(program, program, "stage_closes_3_twice", (char*)NULL);
    _exit(127);
  }
  MUST(close(4) == 0 && close(3) == 0);
  MUST(status_of(child) == 0);
}

static void vfork_keeps(void) {
  MUST(open_first() == 3);
  pid_t child = vfork();
  if (child == 0) {
    fcntl(3, F_SETFD, 0);
    execl(program, program, "stage_closes_3_twice", (char*)NULL);
    _exit(127);
  }
  MUST(close(3) == 0);
  MUST(status_of(child) == 0);
}

static void vfork_opens(void) {
  MUST(open_first() == 3);
  pid_t child = vfork();
  if (child == 0) {
    close(3);
    if (open("/dev/null", O_RDONLY) != 3) _exit(99);  // @vfork-opened
    execl(program, program, "stage_closes_3_twice", (char*)NULL);
    _exit(127);
  }
  MUST(status_of(child) == 0);
  MUST(close(3) == 0);
}

// Two programs further: the second one's 3 is the first one's, which is our 4.
static void handed_on_twice(void) {
  MUST(open_first() == 3 && open_second() == 4);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 4, 5);
  pid_t child;
  char* arguments[] = {program, "stage_hands_on", NULL};
  MUST(posix_spawn(&child, program, &actions, NULL, arguments, environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  MUST(status_of(child) == 0);
  MUST(close(4) == 0 && close(3) == 0);
}
static void stage_hands_on(void) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 5, 3);
  MUST(status_of(start(&actions)) == 0);
}

static void spawn_fails(void) {
  pid_t child;
  char* arguments[] = {"x", NULL};
  for (int i = 0; i < 100; ++i) {
    MUST(posix_spawn(&child, "/nowhere/to/be/found", NULL, NULL, arguments, environ) == ENOENT);
  }
}

// What programs from before glibc 2.15 call: it gives the shell what the kernel refuses.
#if defined(__x86_64__)
extern __typeof__(posix_spawn) posix_spawn_of_old;
__asm__(".symver posix_spawn_of_old, posix_spawn@GLIBC_2.2.5");
#else
#define posix_spawn_of_old posix_spawnp
#endif
static void spawn_of_old(void) {
  char name[64];
  snprintf(name, sizeof name, "/tmp/fdaudit-script-%d", (int)getpid());
  int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0700);
  MUST(fd >= 0 && write(fd, "exit 5\n", 7) == 7 && close(fd) == 0);
  pid_t child;
  char* arguments[] = {name, NULL};
  MUST(posix_spawn(&child, name, NULL, NULL, arguments, environ) == ENOEXEC);
  MUST(posix_spawn_of_old(&child, name, NULL, NULL, arguments, environ) == 0);
  MUST(status_of(child) == 5);
  MUST(unlink(name) == 0);
}

// --- by the shell

static void stage_leaks(void) { MUST(open("/dev/zero", O_RDONLY) >= 3); }  // @leaked

static void in_shell(char* text, size_t size) { snprintf(text, size, "exec '%s' stage_leaks", program); }

static void system_with_cleared_environment(void) {
  char command[4096];
  in_shell(command, sizeof command);
  clearenv();
  MUST(system(command) == 0);
  MUST(environ == NULL || *environ == NULL);
}

static void popen_with_replaced_environment(void) {
  char command[4096];
  char* none[] = {"A=B", NULL};
  in_shell(command, sizeof command);
  environ = none;
  FILE* shell = popen(command, "w");
  MUST(shell && environ == none);
  MUST(pclose(shell) == 0);
}

static void* do_nothing(void* argument) { return argument; }

// Other threads may be changing the environment: it is left alone, and the report says what follows.
static void system_in_a_threaded_program(void) {
  pthread_t thread;
  char command[4096];
  in_shell(command, sizeof command);
  MUST(pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
  clearenv();
  MUST(system(command) == 0);
}

static void popen_in_a_threaded_program(void) {
  pthread_t thread;
  MUST(pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
  char command[4096];
  in_shell(command, sizeof command);
  FILE* shell = popen(command, "w");
  MUST(shell && pclose(shell) == 0);
}

static void popen_leaks(void) {
  char word[16];
  FILE* shell = popen("echo word", "r");  // @popen
  MUST(shell && fgets(word, sizeof word, shell));
}

// Legal: the program is not waited for.
static void popen_and_fclose(void) {
  FILE* shell = popen("exit 0", "w");
  MUST(shell && fclose(shell) == 0);
}

static void close_then_pclose(void) {
  FILE* shell = popen("exit 0", "re");  // @shell
  close(fileno(shell));                 // @wrong
  pclose(shell);                        // @pclose
}

// Standard output is another file here; the shell's is the pipe.
static void popen_number(void) {
  char command[4096];
  snprintf(command, sizeof command, "exec '%s' stage_closes_1_twice", program);
  MUST(dup2(open_second(), 1) == 1 && close(3) == 0);
  FILE* shell = popen(command, "r");  // @popen-number
  MUST(shell && fgetc(shell) == EOF);
  MUST(pclose(shell) == 0);
}
static void stage_closes_1_twice(void) {
  MUST(close(1) == 0);
  MUST(close(1) == -1);  // @again-1
}

static void by_system(void) {
  int fd = open_it();
  MUST(system("/bin/true") == 0);
  close(fd);
}

static void by_popen(void) {
  FILE* pipe = popen("/bin/echo word", "r");
  char word[16];
  MUST(pipe && fgets(word, sizeof word, pipe));
  MUST(pclose(pipe) == 0);
}

static const struct scenario kCases[] = {SCENARIO(spawn), SCENARIO(spawn_with_actions), SCENARIO(by_system),
                                         SCENARIO(by_popen), SCENARIO(stage_closes_3_twice),
                                         SCENARIO(spawn_duplicates),
                                         SCENARIO(spawn_keeps),
                                         SCENARIO(spawn_opens),
                                         SCENARIO(spawn_with_many_actions),
                                         SCENARIO(vfork_duplicates),
                                         SCENARIO(vfork_keeps),
                                         SCENARIO(vfork_opens),
                                         SCENARIO(handed_on_twice),
                                         SCENARIO(stage_hands_on),
                                         SCENARIO(spawn_fails),
                                         SCENARIO(spawn_of_old),
                                         SCENARIO(stage_leaks),
                                         SCENARIO(system_with_cleared_environment),
                                         SCENARIO(popen_with_replaced_environment),
                                         SCENARIO(system_in_a_threaded_program),
                                         SCENARIO(popen_in_a_threaded_program),
                                         SCENARIO(popen_leaks),
                                         SCENARIO(popen_and_fclose),
                                         SCENARIO(close_then_pclose),
                                         SCENARIO(popen_number),
                                         SCENARIO(stage_closes_1_twice),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  program = argv[0];
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
