// What programs declare by fdaudit.h: owners, what is left open on purpose, checkpoints.
#include "scenario.h"

#include "../../shim/fdaudit.h"

enum { kCache = 4711, kLog = 4712 };

static int null(void) {
  int fd = open("/dev/null", O_WRONLY);  // @null
  MUST(fd >= 0);
  return fd;
}

static int cached;
static void open_cache(void) {
  cached = open("/dev/null", O_WRONLY);  // @cache-opened
  MUST(cached >= 0);
  fdaudit_exchange_owner(cached, 0, kCache);
}
static int close_cache(void) {
  return fdaudit_close_with_owner(cached, kCache);  // @cache-closed
}
static void careless(void) {
  close(cached);  // @careless
}

static void closed_under_owner(void) {
  open_cache();
  careless();
  MUST(close_cache() == -1 && errno == EBADF);
}

static void by_another_owner(void) {
  open_cache();
  MUST(fdaudit_close_with_owner(cached, kLog) == 0);  // @wrong-owner
}

// The owner closes twice, and what the number is by then loses.
static void owner_closes_twice(void) {
  open_cache();
  MUST(close_cache() == 0);
  int log = open("/dev/null", O_WRONLY);  // @log-opened
  MUST(log == cached);
  MUST(fdaudit_close_with_owner(cached, kCache) == 0);  // @cache-again
  MUST(write(log, "x", 1) == -1);                       // @log-written
}

// Somebody closes what has an owner. The owner then closes what the number is by then.
static void owner_hits_the_next(void) {
  open_cache();
  careless();
  int log = open("/dev/null", O_WRONLY);
  MUST(log == cached);
  MUST(close_cache() == 0);
  MUST(write(log, "x", 1) == -1);  // @next-written
}

static void checked_after_close(void) {
  open_cache();
  MUST(close_cache() == 0);
  fdaudit_check_owner(cached, kCache);  // @checked
}

static void given_away_after_close(void) {
  open_cache();
  MUST(close_cache() == 0);
  int log = null();
  MUST(log == cached);
  fdaudit_exchange_owner(cached, kCache, kLog);  // @given-away
  MUST(fdaudit_get_owner(log) == 0 && close(log) == 0);
}

// It gave its number up, which was closed rightly then, and believes that it has it still.
static int gives_up(void) {
  open_cache();
  fdaudit_exchange_owner(cached, kCache, 0);
  return close(cached);  // @given-up
}
static void stale_owner(void) {
  MUST(gives_up() == 0);
  int log = open("/dev/null", O_WRONLY);  // @unowned
  MUST(log == cached);
  MUST(fdaudit_close_with_owner(cached, kCache) == 0);  // @stale-owner
  MUST(write(log, "x", 1) == -1);                       // @unowned-written
}

static void innocent(void) {
  open_cache();  // handed over, and back
  fdaudit_exchange_owner(cached, kCache, kLog);
  fdaudit_check_owner(cached, kLog);
  MUST(fdaudit_get_owner(cached) == kLog);
  MUST(fdaudit_close_with_owner(cached, kLog) == 0);
  MUST(fdaudit_close_with_owner(null(), kLog) == 0);  // never declared
  open_cache();                                       // released
  fdaudit_exchange_owner(cached, kCache, 0);
  MUST(close(cached) == 0);
  open_cache();  // what it is changes, who has it does not
  MUST(dup2(2, cached) == cached && close_cache() == 0);
  open_cache();  // two claim it: the first one has it
  fdaudit_exchange_owner(cached, 0, kLog);
  MUST(close_cache() == 0);
  open_cache();  // a stream takes it over
  fdaudit_exchange_owner(cached, kCache, 0);
  FILE* stream = fdopen(cached, "w");
  MUST(stream && android_fdsan_get_tag_type(fdaudit_get_owner(cached))[0] == 'F' && fclose(stream) == 0);
  open_cache();  // a child has a copy
  pid_t child = fork();
  if (child == 0) _exit(close(cached));
  int status = 0;
  MUST(waitpid(child, &status, 0) == child && status == 0 && close_cache() == 0);
}

static void crosses_exec(void) {
  open_cache();
  fcntl(cached, F_SETFD, 0);
  execl("/proc/self/exe", "declared", "after_exec", NULL);
}
static void after_exec(void) {
  MUST(fdaudit_get_owner(3) == 0);
  cached = 3;
  fdaudit_exchange_owner(3, 0, kLog);
  MUST(fdaudit_close_with_owner(3, kLog) == 0);
}

static void not_checked(void) {
  MUST(android_fdsan_set_error_level(ANDROID_FDSAN_ERROR_LEVEL_DISABLED) == ANDROID_FDSAN_ERROR_LEVEL_WARN_ALWAYS);
  open_cache();
  careless();
}

static void androids_names(void) {
  uint64_t tag = android_fdsan_create_owner_tag(ANDROID_FDSAN_OWNER_TYPE_UNIQUE_FD, (uintptr_t)&cached);
  cached = open("/dev/null", O_WRONLY);
  android_fdsan_exchange_owner_tag(cached, 0, tag);
  MUST(android_fdsan_get_owner_tag(cached) == tag && android_fdsan_get_tag_value(tag) == (uintptr_t)&cached);
  careless();
}

static void left_on_purpose(void) {
  fdaudit_leave_open(null());
  int fds[2];
  MUST(pipe(fds) == 0);  // @pipe
  fdaudit_leave_open(fds[0]);
}

static void checkpoints(void) {
  fdaudit_checkpoint("warm up");
  null();
  int kept = null();
  fdaudit_checkpoint("first");
  close(kept);
  for (int i = 0; i < 3; ++i) close(null());
  fdaudit_checkpoint("second");
  int fd = open("/etc/hostname", O_RDONLY);  // @second
  MUST(fd >= 0);
  close(fd + 1);  // never open here
  fdaudit_checkpoint("second");
  fdaudit_leave_open(null());
  fdaudit_checkpoint(NULL);
  null();
  fdaudit_checkpoint("last");
  MUST(open("/dev/null", O_RDONLY) >= 0);  // @last
}

int main(int argc, char** argv) {
  const struct scenario scenarios[] = {SCENARIO(closed_under_owner),  SCENARIO(by_another_owner),
                                       SCENARIO(owner_closes_twice),  SCENARIO(owner_hits_the_next), SCENARIO(stale_owner),
                                       SCENARIO(checked_after_close), SCENARIO(given_away_after_close),
                                       SCENARIO(innocent),            SCENARIO(crosses_exec),
                                       SCENARIO(after_exec),          SCENARIO(not_checked),
                                       SCENARIO(androids_names),      SCENARIO(left_on_purpose),
                                       SCENARIO(checkpoints),         {NULL, NULL}};
  run_scenario(scenarios, argc > 1 ? argv[1] : NULL);
}
