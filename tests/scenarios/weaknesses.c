// One bad function and its good twins for each way in which the Common Weakness Enumeration knows a descriptor to be
// mishandled: each runs in a process of its own, and bad ones alone have a finding. The ways in which a leak is hidden,
// and in which data flows to a close, are those that static analysers are compared by.
#include "scenario.h"

#include <sys/socket.h>

static const char kFile[] = "weakness";
static int five = 5;
static const int kTrue = 1;

static int open_it(void) { return open(kFile, O_RDWR | O_CREAT | O_CLOEXEC, 0600); }

// --- CWE-775: no release at the end of its life --------------------------------------------------------------------------

static void bad_775_open(void) {
  int data = open_it();
  if (data != -1) MUST(write(data, "x", 1) == 1);
}
static void bad_775_fopen(void) {
  FILE* data = fopen(kFile, "we");
  if (data) fputs("x", data);
}
static void bad_775_freopen(void) {
  FILE* data = freopen(kFile, "we", fopen("/dev/null", "we"));
  if (data) fputs("x", data);
}
static void bad_775_on_error(void) {
  int data = open_it();
  if (read(data, (char[1]){0}, 1) != 1) return;
  close(data);
}
static void bad_775_socket(void) {
  int data = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (five == 5) MUST(listen(data, 1) == -1);
}
static void good_775_open(void) {
  int data = open_it();
  if (data != -1) close(data);
}
static void good_775_fopen(void) {
  FILE* data = fopen(kFile, "we");
  if (data) fclose(data);
}
static void good_775_freopen(void) {
  FILE* data = freopen(kFile, "we", fopen("/dev/null", "we"));
  if (data) fclose(data);
}
static void close_given(const int* data) { close(*data); }
static void good_775_closed_by_another(void) {
  int data = open_it();
  if (kTrue) close_given(&data);
}

// --- CWE-773: the only reference is lost ---------------------------------------------------------------------------------

static void bad_773_overwritten(void) {
  int data = open_it();
  data = open_it();
  close(data);
}
static void bad_773_fopen(void) {
  FILE* data = fopen(kFile, "we");
  data = fopen(kFile, "we");
  fclose(data);
}
static void bad_773_freopen(void) {
  FILE* data = freopen(kFile, "we", fopen("/dev/null", "we"));
  data = fopen(kFile, "we");
  fclose(data);
}
static void bad_773_unnamed(void) { MUST(open_it() >= 0); }
static void good_773_overwritten(void) {
  int data = open_it();
  close(data);
  data = open_it();
  close(data);
}
static void good_773_freopen(void) {
  FILE* data = fopen(kFile, "we");
  data = freopen(kFile, "we", data);
  fclose(data);
}

// --- CWE-404: released by what does not release it ---------------------------------------------------------------------------

static void bad_404_stream_closed_by_number(void) {
  FILE* data = fopen(kFile, "we");
  close(fileno(data));
}
static void bad_404_number_left_after_dup(void) {
  int data = open_it();
  FILE* stream = fdopen(dup(data), "w");
  fclose(stream);
}
static void good_404_stream(void) {
  FILE* data = fopen(kFile, "we");
  fclose(data);
}
static void good_404_number_in_stream(void) {
  FILE* stream = fdopen(open_it(), "w");
  fclose(stream);
}

// --- CWE-675, CWE-1341: released more than once --------------------------------------------------------------------------

static void bad_675_open(void) {
  int data = open_it();
  close(data);
  close(data);
}
static void bad_675_fopen(void) {
  FILE* data = fopen(kFile, "we");
  int number = fileno(data);
  fclose(data);
  close(number);
}
static void bad_675_freopen(void) {
  FILE* data = freopen(kFile, "we", fopen("/dev/null", "we"));
  int number = fileno(data);
  fclose(data);
  close(number);
}
static void bad_675_by_another(void) {
  int data = open_it();
  close_given(&data);
  if (five == 5) close(data);
}
static void good_675_open(void) {
  int data = open_it();
  close(data);
}
static void good_675_forgotten(void) {
  int data = open_it();
  close(data);
  data = -1;
  if (data >= 0) close(data);
}
static void good_675_freopen(void) {
  FILE* data = freopen(kFile, "we", fopen("/dev/null", "we"));
  fclose(data);
}

// --- CWE-910, CWE-672: used after its release -----------------------------------------------------------------------------

static void bad_910_written(void) {
  int data = open_it();
  close(data);
  MUST(write(data, "x", 1) == -1);
}
static void bad_910_copied(void) {
  int data = open_it();
  close(data);
  MUST(dup2(data, 30) == -1);
}
static void good_910_written(void) {
  int data = open_it();
  MUST(write(data, "x", 1) == 1);
  close(data);
}

// --- CWE-403: crosses an exec ----------------------------------------------------------------------------------------------

static void run_true(void) {
  pid_t child = fork();
  if (child == 0) execl("/bin/true", "true", (char*)NULL);
  MUST(status_of(child) == 0);
}
static void bad_403_open(void) {
  int data = open(kFile, O_RDWR | O_CREAT, 0600);
  run_true();
  close(data);
}
static void bad_403_fopen(void) {
  FILE* data = fopen(kFile, "w");
  run_true();
  fclose(data);
}
static void good_403_open(void) {
  int data = open_it();
  run_true();
  close(data);
}
static void good_403_marked(void) {
  int data = open(kFile, O_RDWR | O_CREAT, 0600);
  MUST(fcntl(data, F_SETFD, FD_CLOEXEC) == 0);
  run_true();
  close(data);
}

int main(int argc, char** argv) {
  static const struct scenario kCases[] = {
      SCENARIO(bad_775_open),
      SCENARIO(bad_775_fopen),
      SCENARIO(bad_775_freopen),
      SCENARIO(bad_775_on_error),
      SCENARIO(bad_775_socket),
      SCENARIO(good_775_open),
      SCENARIO(good_775_fopen),
      SCENARIO(good_775_freopen),
      SCENARIO(good_775_closed_by_another),
      SCENARIO(bad_773_overwritten),
      SCENARIO(bad_773_fopen),
      SCENARIO(bad_773_freopen),
      SCENARIO(bad_773_unnamed),
      SCENARIO(good_773_overwritten),
      SCENARIO(good_773_freopen),
      SCENARIO(bad_404_stream_closed_by_number),
      SCENARIO(bad_404_number_left_after_dup),
      SCENARIO(good_404_stream),
      SCENARIO(good_404_number_in_stream),
      SCENARIO(bad_675_open),
      SCENARIO(bad_675_fopen),
      SCENARIO(bad_675_freopen),
      SCENARIO(bad_675_by_another),
      SCENARIO(good_675_open),
      SCENARIO(good_675_forgotten),
      SCENARIO(good_675_freopen),
      SCENARIO(bad_910_written),
      SCENARIO(bad_910_copied),
      SCENARIO(good_910_written),
      SCENARIO(bad_403_open),
      SCENARIO(bad_403_fopen),
      SCENARIO(good_403_open),
      SCENARIO(good_403_marked),
      {NULL, NULL}};
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
