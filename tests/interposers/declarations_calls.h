// What the header fdaudit.h reaches, and the same by Android's names, which are weak references here: the header's own
// functions of these names call the shim's others. Where there is no shim, what each stands for is done here.
#pragma once

#define FDAUDIT_NO_FDSAN
#include "../../shim/fdaudit.h"

extern int android_fdsan_close_with_tag(int fd, uint64_t tag) FDAUDIT_WEAK;
extern void android_fdsan_exchange_owner_tag(int fd, uint64_t expected, uint64_t tag) FDAUDIT_WEAK;
extern uint64_t android_fdsan_get_owner_tag(int fd) FDAUDIT_WEAK;
extern uint64_t android_fdsan_create_owner_tag(int type, uint64_t tag) FDAUDIT_WEAK;
extern const char* android_fdsan_get_tag_type(uint64_t tag) FDAUDIT_WEAK;
extern uint64_t android_fdsan_get_tag_value(uint64_t tag) FDAUDIT_WEAK;
extern int android_fdsan_get_error_level(void) FDAUDIT_WEAK;
extern int android_fdsan_set_error_level(int level) FDAUDIT_WEAK;
extern int android_fdsan_set_error_level_from_property(int level) FDAUDIT_WEAK;

enum { kTag = 4711, kAndroidUniqueFd = 3 };
static const uint64_t kUniqueFdTag = (UINT64_C(3) << 56) + kTag;

static int owned(int fd, uint64_t owner) {
  fdaudit_exchange_owner(fd, 0, owner);
  return fd;
}
// What the shim knows: 0 = what is expected; without one everything is.
static int knows(int is_so) { return __fdaudit_get_owner == NULL || is_so ? 0 : -1; }
static int exchanged(int fd) { return (fdaudit_exchange_owner(fd, 0, kTag), knows(fdaudit_get_owner(fd) == kTag)); }
static int exchanged_by_tag(int fd) {
  if (android_fdsan_exchange_owner_tag) android_fdsan_exchange_owner_tag(fd, 0, kTag);
  return knows(fdaudit_get_owner(fd) == kTag);
}
static int closed_by_tag(int fd, uint64_t tag) {
  return android_fdsan_close_with_tag ? android_fdsan_close_with_tag(fd, tag) : close(fd);
}
static int known_by_tag(int fd) {
  return knows(android_fdsan_get_owner_tag && android_fdsan_get_owner_tag(fd) == kTag);
}
static int left_open(int fd) { return (fdaudit_leave_open(fd), 0); }

#define DECLARATIONS_CALLS(CALL)                                                                                       \
  CALL(__fdaudit_close_with_owner, "-", fdaudit_close_with_owner(owned(null(), kTag), kTag),                           \
       fdaudit_close_with_owner(777, kTag))                                                                            \
  CALL(__fdaudit_exchange_owner, "-", exchanged(null()), exchanged(777) * 0)                                           \
  CALL(__fdaudit_get_owner, "-", knows(fdaudit_get_owner(owned(null(), kTag)) == kTag), (int)fdaudit_get_owner(777))   \
  CALL(__fdaudit_leave_open, "-", left_open(null()), left_open(777))                                                   \
  CALL(__fdaudit_checkpoint, "-", (fdaudit_checkpoint("calls"), 0), (fdaudit_checkpoint(NULL), 0))                     \
  CALL(__fdaudit_report_now, "-", fdaudit_report_now("now.json") * 0, fdaudit_report_now(NULL))                        \
  CALL(__fdaudit_error_level, "-", knows(__fdaudit_error_level&& __fdaudit_error_level(-1) == 2), kNone)               \
  CALL(android_fdsan_close_with_tag, "-", closed_by_tag(owned(null(), kTag), kTag), closed_by_tag(777, kTag))          \
  CALL(android_fdsan_exchange_owner_tag, "-", exchanged_by_tag(null()), exchanged_by_tag(777) * 0)                     \
  CALL(android_fdsan_get_owner_tag, "-", known_by_tag(owned(null(), kTag)), kNone)                                     \
  CALL(android_fdsan_create_owner_tag, "-",                                                                            \
       knows(android_fdsan_create_owner_tag&& android_fdsan_create_owner_tag(kAndroidUniqueFd, kTag) == kUniqueFdTag), \
       kNone)                                                                                                          \
  CALL(android_fdsan_get_tag_type, "-",                                                                                \
       knows(android_fdsan_get_tag_type && !strcmp(android_fdsan_get_tag_type(kUniqueFdTag), "unique_fd")), kNone)     \
  CALL(android_fdsan_get_tag_value, "-",                                                                               \
       knows(android_fdsan_get_tag_value&& android_fdsan_get_tag_value(kUniqueFdTag) == kTag), kNone)                  \
  CALL(android_fdsan_get_error_level, "-",                                                                             \
       knows(android_fdsan_get_error_level&& android_fdsan_get_error_level() == 2), kNone)                             \
  CALL(android_fdsan_set_error_level, "-",                                                                             \
       knows(android_fdsan_set_error_level&& android_fdsan_set_error_level(3) == 2), kNone)                            \
  CALL(android_fdsan_set_error_level_from_property, "-",                                                               \
       knows(android_fdsan_set_error_level_from_property&& android_fdsan_set_error_level_from_property(1) == 2),       \
       kNone)
