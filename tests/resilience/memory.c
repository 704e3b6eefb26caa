// A small program whose memory is limited, locked or counted, as its first argument says. What it prints is the same
// without the shim, but for "vm", "lock" and "maps", which the test compares by size.
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/// A figure of /proc/self/status, in kB.
static long figure(const char* name) {
  char line[256];
  long value = -1;
  FILE* file = fopen("/proc/self/status", "r");
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, name, strlen(name)) == 0) sscanf(line + strlen(name) + 1, "%ld", &value);
  }
  if (file) fclose(file);
  return value;
}

static void limit(int resource, long bytes) {
  struct rlimit limit = {(rlim_t)bytes, (rlim_t)bytes};
  if (setrlimit(resource, &limit) != 0) abort();
}

/// Children that each open and close something: images, and slots, of their own.
static void fork_many(int count) {
  int failed = 0;
  for (int i = 0; i < count; ++i) {
    pid_t child = fork();
    if (child == 0) {
      close(open("/dev/null", O_RDONLY));
      _exit(0);
    }
    int status = 1;
    failed += child < 0 || waitpid(child, &status, 0) != child || status != 0;
  }
  printf("children that failed %d\n", failed);
}

static void open_many(int count) {
  limit(RLIMIT_NOFILE, count + 50);
  int failed = 0;
  for (int i = 0; i < count; ++i) failed += open("/dev/null", O_RDONLY) < 0;
  for (int fd = 3; fd < count + 3; ++fd) failed += close(fd) != 0;
  printf("calls that failed %d\n", failed);
}

static void* open_in_thread(void* count) {
  for (int i = 0; i < (int)(long)count; ++i) {
    int fd = open("/dev/null", O_RDONLY);
    if (i % 10 == 0) {
      pid_t child = fork();
      if (child == 0) {
        close(fd);
        close(dup(0));
        _exit(0);
      }
      waitpid(child, NULL, 0);
    }
    close(fd);
  }
  return NULL;
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  const int count = argc > 2 ? atoi(argv[2]) : 0;
  if (strcmp(how, "limited") == 0) {
    // A limit that is set while the program runs, as servers do for each session.
    for (long mb = 16; mb <= 256; mb *= 2) {
      limit(RLIMIT_AS, 256l << 20);
      struct rlimit soft = {(rlim_t)mb << 20, 256l << 20};
      setrlimit(RLIMIT_AS, &soft);
      void* memory = mmap(NULL, (size_t)mb << 19, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      printf("limit %ld MB, half of it %s\n", mb, memory == MAP_FAILED ? "fails" : "works");
      if (memory != MAP_FAILED) munmap(memory, (size_t)mb << 19);
    }
    fork_many(count);
    open_many(count);
  } else if (strcmp(how, "grow") == 0) {
    fork_many(count);
    open_many(count);
  } else if (strcmp(how, "threads") == 0) {
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) pthread_create(&threads[i], NULL, open_in_thread, (void*)(long)count);
    for (int i = 0; i < 4; ++i) pthread_join(threads[i], NULL);
  } else if (strcmp(how, "lock") == 0) {
    if (count != 0) limit(RLIMIT_MEMLOCK, (long)count << 10);
    errno = 0;
    printf("lock %d", mlockall(MCL_CURRENT | MCL_FUTURE));
    printf(" errno %d\n", errno);
    open_many(200);
    fork_many(40);
  }
  printf("vm %ld\n", figure("VmSize"));
  printf("locked %ld\n", figure("VmLck"));
  fflush(stdout);
  return 0;
}
