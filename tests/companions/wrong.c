// Programs with an error that a sanitizer finds; the argument chooses. None of them leaves a descriptor open.
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int shared, start[2];
static void* race(void* unused) {
  char byte;
  if (syscall(SYS_read, start[0], &byte, 1) != 1) abort();
  ++shared;
  return unused;
}
static int data_race(void) {
  if (pipe(start) != 0) abort();
  pthread_t thread;
  pthread_create(&thread, NULL, race, NULL);
  ++shared;
  if (syscall(SYS_write, start[1], "x", 1) != 1) abort();
  pthread_join(thread, NULL);
  return close(start[0]) + close(start[1]);
}

__attribute__((noinline)) static int use_after_free(int size) {
  char* memory = malloc((size_t)size);
  memory[0] = 1;
  free(memory);
  return memory[0];
}

__attribute__((noinline)) static int overflow(int number) {
  volatile int sum = INT_MAX - 1;
  sum += number;
  return sum > 0;
}

static void* volatile kept;
__attribute__((noinline)) static int memory_leak(int size) {
  kept = malloc((size_t)size);
  kept = NULL;
  char clean[2000];
  memset(clean, 0, sizeof clean);
  return clean[size % 100];
}

__attribute__((noinline)) static int uninitialized(int size) {
  int* memory = malloc((size_t)size * sizeof *memory);
  const int result = memory[1] > 5 ? 1 : 0;
  free(memory);
  if (result) puts("more");
  return 0;
}

// ThreadSanitizer knows descriptors too: one thread writes, the other closes, and what keeps them in step are system
// calls that it does not see.
static int ends[2], target;
static void* writes(void* unused) {
  if (write(target, "x", 1) != 1) abort();
  if (syscall(SYS_write, ends[1], "x", 1) != 1) abort();
  return unused;
}
static int descriptor_race(void) {
  target = open("/dev/null", O_WRONLY);
  if (target < 0 || pipe(ends) != 0) abort();
  pthread_t thread;
  pthread_create(&thread, NULL, writes, NULL);
  char byte;
  if (syscall(SYS_read, ends[0], &byte, 1) != 1) abort();
  close(target);
  pthread_join(thread, NULL);
  close(ends[1]);
  return close(ends[0]);
}

int main(int argc, char** argv) {
  const char* wanted = argc > 1 ? argv[1] : "";
  int result = 98;
  if (strcmp(wanted, "data_race") == 0) result = data_race();
  if (strcmp(wanted, "descriptor_race") == 0) result = descriptor_race();
  if (strcmp(wanted, "use_after_free") == 0) result = use_after_free(argc);
  if (strcmp(wanted, "overflow") == 0) result = overflow(argc);
  if (strcmp(wanted, "memory_leak") == 0) result = memory_leak(argc * 50);
  if (strcmp(wanted, "uninitialized") == 0) result = uninitialized(argc * 50);
  return result;
}
