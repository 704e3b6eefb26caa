// A child that has the trace mapped, as every child of an audited program has, writes random words all over it, as one
// that was taken over could. Its parent works on, and so do its threads and other children; what they must not lose is
// their memory, their results and their time. Arguments: how many words.
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMostMaps = 64, kGuardSize = 1 << 16 };

struct map {
  char* begin;
  size_t size;
};

/// The mappings of the trace.
static int find(struct map* maps) {
  char line[1024];
  int count = 0;
  FILE* file = fopen("/proc/self/maps", "r");
  while (file && count < kMostMaps && fgets(line, sizeof line, file)) {
    unsigned long begin, end;
    if (strstr(line, ".fdaudit") && sscanf(line, "%lx-%lx", &begin, &end) == 2) {
      maps[count++] = (struct map){(char*)begin, end - begin};
    }
  }
  if (file) fclose(file);
  return count;
}

static uint64_t state = 88172645463325252;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/// Numbers that do harm as an index, a size, a place or a key.
static uint64_t word(const char* guard) {
  switch (next() % 8) {
    case 0:
      return next();
    case 1:
      return 0;
    case 2:
      return UINT64_MAX >> next() % 64;
    case 3:
      return next() % 64;
    case 4:
      return (next() % 65536) << 32 | next() % 65536;
    case 5:
      return (uint64_t)guard / (uint64_t[]){1, 16, 512, 768, 4096}[next() % 5];
    case 6:
      return (next() % 4096) * 0x100000001;
    default:
      return UINT64_C(1) << next() % 64;
  }
}

static void scribble(const struct map* maps, int count, long words, const char* guard) {
  for (long i = 0; i < words; ++i) {
    const struct map* map = &maps[next() % (uint64_t)count];
    // The header and the first pages, where all indices are, get half of the words.
    const size_t size = next() % 2 && map->size > 131072 ? 131072 : map->size;
    size_t at = next() % (size / 8) * 8;
    if (next() % 4 == 0) {
      *(volatile uint32_t*)(map->begin + at) = (uint32_t)word(guard);
    } else {
      *(volatile uint64_t*)(map->begin + at) = word(guard);
    }
  }
}

static void* work(void* rounds) {
  long failed = 0;
  for (long i = 0; i < (long)rounds; ++i) {
    int ends[2];
    int fd = open("/dev/null", O_RDONLY);
    int copy = fcntl(fd, F_DUPFD, 100 + (int)(i * 7 % 900));
    failed += fd < 0 || copy < 0 || pipe(ends) != 0;
    failed += close(copy) != 0 || close(ends[0]) != 0 || close(ends[1]) != 0 || close(fd) != 0;
    close(1000000);
    if (i % 20 == 0) {
      FILE* file = popen("exit 3", "r");
      failed += !file || WEXITSTATUS(pclose(file)) != 3;
    }
    if (i % 10 == 0) {
      pid_t child = fork();
      if (child == 0) {
        int own = open("/dev/null", O_RDONLY);
        close(own);
        close(own);
        _exit(own < 0 ? 1 : 4);
      }
      int status = 0;
      failed += waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 4;
    }
  }
  return (void*)failed;
}

int main(int argc, char** argv) {
  const long words = argc > 1 ? atol(argv[1]) : 1000000;
  struct map maps[kMostMaps];
  const int count = find(maps);
  // What a store outside of the trace might hit.
  char* guard = mmap(NULL, kGuardSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guard == MAP_FAILED) return 9;
  memset(guard, 0x41, kGuardSize);
  pid_t scribbler = fork();
  if (scribbler == 0) {
    for (int part = 0; count != 0 && part < 100; ++part) {
      scribble(maps, count, words / 100, guard);
      usleep(1000);  // no rule needs it: the harm is to be done all along
    }
    syscall(231, 0);  // exit_group: nothing of the shim's runs
  }
  pthread_t thread;
  void* failed_there = NULL;
  pthread_create(&thread, NULL, work, (void*)200l);
  const long failed = (long)work((void*)200l);
  pthread_join(thread, &failed_there);
  int status = 1;
  waitpid(scribbler, &status, 0);
  long changed = 0;
  for (int i = 0; i < kGuardSize; ++i) changed += guard[i] != 0x41;
  printf("failed %ld, changed %ld, scribbler %d\n", failed + (long)failed_there, changed, status);
  fprintf(stderr, "%d mappings\n", count);
  return 0;
}
