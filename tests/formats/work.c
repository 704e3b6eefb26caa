// Leaves open what its first argument says: leaks N files, keeps a few more in a child that it forks, opens and closes
// many in between.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int load(void) { return open("/etc/hostname", O_RDONLY); }

static void leak(int count) {
  for (int i = 0; i < count; ++i) load();
}

static void churn(int count) {
  for (int i = 0; i < count; ++i) close(open("/etc/passwd", O_RDONLY));
}

int main(int count, char** words) {
  const int leaks = count > 1 ? atoi(words[1]) : 3;
  const int rounds = count > 2 ? atoi(words[2]) : 10;
  int ends[2];
  if (pipe(ends) != 0) return 1;
  leak(leaks);
  churn(rounds);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    if (write(ends[1], "x", 1) != 1) return 1;
    load();
    return 0;
  }
  waitpid(child, NULL, 0);
  close(ends[0]);
  close(ends[1]);
  return 0;
}
