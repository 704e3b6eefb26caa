// A folder's index is closed as a stream and then by its number, while another thread opens mails: the second close
// takes one of those.
#include "scenario.h"

#include <pthread.h>

static pthread_barrier_t step;
static void next(void) { pthread_barrier_wait(&step); }

static void* read_index(void* unused) {
  FILE* index = fopen("/etc/passwd", "r");  // @index
  int fd = fileno(index);
  fclose(index);  // @stream-closed
  next();
  next();
  close(fd);  // @number-closed
  next();
  return unused;
}

static void* read_mail(void* unused) {
  char byte;
  next();
  int mail = open("/etc/group", O_RDONLY);  // @mail
  next();
  next();
  MUST(read(mail, &byte, 1) == -1);  // @read
  return unused;
}

int main(void) {
  pthread_t index, mail;
  MUST(pthread_barrier_init(&step, NULL, 2) == 0);
  MUST(pthread_create(&index, NULL, read_index, NULL) == 0 && pthread_create(&mail, NULL, read_mail, NULL) == 0);
  pthread_join(index, NULL);
  pthread_join(mail, NULL);
  return 0;
}
