// Calls dup and close on 2 to the power of its first argument different call paths. What follows: twice closes a number
// twice; fail ends with status 3.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static int pair(void) { return close(dup(0)); }

__attribute__((noinline)) static int fork_path(int depth) {
  if (depth == 0) return pair();
  const int left = fork_path(depth - 1);
  __asm__ volatile("" ::: "memory");
  const int right = fork_path(depth - 1);
  __asm__ volatile("" ::: "memory");
  return left + right;
}

__attribute__((noinline)) static void close_twice(void) {
  const int fd = dup(0);
  close(fd);
  close(fd);
}

int main(int count, char** words) {
  int status = 0;
  if (count > 1 && fork_path(atoi(words[1])) != 0) return 1;
  for (int i = 2; i < count; ++i) {
    if (strcmp(words[i], "twice") == 0) close_twice();
    if (strcmp(words[i], "fail") == 0) status = 3;
  }
  return status;
}
