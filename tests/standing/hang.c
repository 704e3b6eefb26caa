// Three processes that wait for each other: the reader for the end of a pipe, whose write end lies forgotten in the keeper;
// the keeper for a word of the parent; the parent for the reader. Prints the pids of the two, and ends well once the
// keeper is gone.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int drain(int fd) {
  char byte;
  ssize_t got;
  while ((got = read(fd, &byte, 1)) > 0) continue;
  return got == 0 ? 0 : 1;
}

int main(void) {
  int work[2], words[2];
  if (pipe(work) != 0 || pipe(words) != 0) return 1;
  const pid_t keeper = fork();
  if (keeper == 0) {
    close(words[1]);
    return drain(words[0]);
  }
  const pid_t reader = fork();
  if (reader == 0) {
    close(work[1]);
    close(words[1]);
    return drain(work[0]);
  }
  if (write(work[1], "x", 1) != 1) return 1;
  close(work[1]);
  printf("%d %d\n", reader, keeper);
  fflush(stdout);
  int status = 1;
  waitpid(reader, &status, 0);
  return status == 0 ? 0 : 1;
}
