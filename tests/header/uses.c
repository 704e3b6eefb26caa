// All of fdaudit.h. Prints "done" with the shim and without.
#include <fcntl.h>
#include <stdio.h>

#include "fdaudit.h"

static void careless(int fd) { close(fd); }

#define CHECK(what)                        \
  do {                                     \
    if (!(what)) {                         \
      printf("%d: %s\n", __LINE__, #what); \
      return 1;                            \
    }                                      \
  } while (0)

int main(void) {
  int fd = open("/dev/null", O_RDONLY);
  const uint64_t me = 4711;
  errno = 0;
  fdaudit_exchange_owner(fd, 0, me);
  fdaudit_check_owner(fd, me);
  CHECK(fdaudit_get_owner(fd) == me || fdaudit_get_owner(fd) == 0);
  CHECK(fdaudit_close_with_owner(fd, me) == 0 && errno == 0);
  CHECK(fdaudit_close_with_owner(777, me) == -1 && errno == EBADF);
  errno = 0;
  fdaudit_checkpoint("the test");
  uint64_t tag = android_fdsan_create_owner_tag(ANDROID_FDSAN_OWNER_TYPE_UNIQUE_FD, me);
  CHECK(android_fdsan_get_tag_value(tag) == me && android_fdsan_get_tag_type(tag)[0] == 'u');
  CHECK(android_fdsan_create_owner_tag(ANDROID_FDSAN_OWNER_TYPE_FILE, 0) == 0);
  CHECK(android_fdsan_get_tag_value(UINT64_C(0xffffffffffff1234)) == UINT64_C(0xffffffffffff1234));
  CHECK(android_fdsan_get_tag_type(UINT64_C(0xffffffffffff1234))[0] == 'n');
  CHECK(android_fdsan_get_tag_type(UINT64_C(0xff00ffffffff1234))[0] == 'J');
  CHECK(android_fdsan_get_tag_type(UINT64_C(99) << 56)[0] == 'n');
  enum android_fdsan_error_level level = android_fdsan_get_error_level();
  CHECK(android_fdsan_set_error_level(level) == level);
  CHECK(android_fdsan_set_error_level_from_property(level) == level);
  fd = open("/dev/null", O_RDONLY);
  android_fdsan_exchange_owner_tag(fd, 0, tag);
  CHECK(android_fdsan_get_owner_tag(fd) == tag || android_fdsan_get_owner_tag(fd) == 0);
  careless(fd);
  fdaudit_leave_open(open("/dev/null", O_RDONLY));
  CHECK(fdaudit_report_now(NULL) == -1);
  fdaudit_checkpoint(NULL);
  CHECK(errno == 0);
  puts("done");
  return 0;
}
