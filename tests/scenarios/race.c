// The race itself, over many rounds: a session closes its number a second time while another thread opens a file, which
// is given that number. Whether the second close comes before the open, between the kernel's open and its recording,
// or after, is left to chance; each round prints into which it fell, and the report must show as many of each.
#include "scenario.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum { kRounds = 4000 };

static atomic_int turn;    // of the round: 3 * round + what has been reached
static atomic_int number;  // the session's
static int taken, missed, elsewhere;

static void reach(int value) { atomic_store(&turn, value); }
static void await_turn(int value) {
  for (int spins = 0; atomic_load(&turn) < value; ++spins) {
    if (spins > 1000) sched_yield();
  }
}
// Where it takes long, the other thread waits for a processor.
static void dawdle(int steps) {
  for (volatile int i = 0; i < steps; ++i) {
    if (i % 4096 == 4095) sched_yield();
  }
}

static atomic_int session_done, file_done;
static int session_result;

// How long the session waits before it closes again. Longer where it came too early, shorter where the file was open:
// so most rounds fall about the moment of the open.
static int patience = 100;
static void adapt(int round) {
  int step = 1 + patience / 16 + round % 5;
  patience += session_result == -1 ? step : -step;
  if (patience < 0) patience = 0;
  if (patience > 1000000) patience = 1000000;
}

// O1, C1 and, at some moment, C0.
static void session_round(int round) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);  // @session
  atomic_store(&number, fd);
  close(fd);                                 // @closed
  reach(2 * round + 1);
  dawdle(patience);
  session_result = close(fd);  // @again
  adapt(round);
  atomic_store(&session_done, round + 1);
  while (atomic_load(&file_done) <= round) sched_yield();
}

static void file_round(int round, int uses) {
  await_turn(2 * round + 1);
  int fd = open("/dev/null", O_WRONLY);  // @file
  while (atomic_load(&session_done) <= round) sched_yield();
  if (session_result == -1) {
    ++missed;
    MUST(close(fd) == 0);
  } else if (fd != atomic_load(&number)) {
    ++elsewhere;
  } else {
    ++taken;
    if (uses) {
      MUST(write(fd, "x", 1) == -1);  // @used
    } else {
      MUST(close(fd) == -1);  // @failed
    }
  }
  atomic_store(&file_done, round + 1);
}

static void* session_thread(void* unused) {
  for (int round = 0; round < kRounds; ++round) session_round(round);
  return unused;
}

static void both(int uses) {
  pthread_t session;
  MUST(pthread_create(&session, NULL, session_thread, NULL) == 0);
  for (int round = 0; round < kRounds; ++round) file_round(round, uses);
  pthread_join(session, NULL);
  MUST(elsewhere == 0);
  if (taken == 0 || missed == 0) {
    fprintf(stderr, "no luck: %d taken, %d missed\n", taken, missed);
    _exit(77);
  }
  printf("{\"taken\": %d, \"missed\": %d}\n", taken, missed);
}

static void victim_closes(void) { both(0); }
static void victim_uses(void) { both(1); }

int main(int argc, char** argv) {
  static const struct scenario kScenarios[] = {SCENARIO(victim_closes), SCENARIO(victim_uses), {NULL, NULL}};
  run_scenario(kScenarios, argc > 1 ? argv[1] : NULL);
  return 0;
}
