// Lines for files of every sort: by template, handle and structure; memory, queues, terminals, streams, walks.
#pragma once

// clang-format off

#include <sys/stat.h>
#include <dlfcn.h>
#include <fts.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <mqueue.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/resource.h>

extern mqd_t __mq_open_2(const char*, int);
extern FILE* __setmntent(const char*, const char*);
extern int __endmntent(FILE*);

static char template[] = "made-XXXXXX", template_c[] = "made-XXXXXX.c", no_template[] = "made";
static char* walked[] = {".", NULL};
static int master, slave;

// Whether there is room for `free` more descriptors.
static int limited(int free) {
  struct rlimit limit = {(rlim_t)(3 + free), 4096};
  return setrlimit(RLIMIT_NOFILE, &limit);
}

// A name in what all processes of the machine share, for this one alone.
static const char* shared_name(void) {
  static char name[32];
  snprintf(name, sizeof name, "/files-calls-%d", (int)getpid());
  return name;
}

static mqd_t queue(void) {
  const mqd_t made = syscall(SYS_mq_open, shared_name() + 1, O_CREAT | O_RDWR, 0600, NULL);
  mq_unlink(shared_name());
  return made;
}

static void called(union sigval value) { (void)value; }

static int notified(mqd_t queue) {
  struct sigevent how = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = called};
  return mq_notify(queue, &how);
}

static int in_queue(mqd_t made) {
  mq_unlink(shared_name());
  return made;
}

static int shared(int made) {
  shm_unlink(shared_name());
  return made;
}

static FTS* walk(void) { return fts_open(walked, FTS_PHYSICAL, NULL); }
static FTS64* walk64(void) { return fts64_open(walked, FTS_PHYSICAL, NULL); }
#define CLOSED_WALK(walk, closer) \
  ({                              \
    __auto_type opened = walk;    \
    close(opened->fts_rfd);       \
    closer(opened);               \
  })

// A walk over a link to a directory, up to where that is entered.
#define FOLLOWED(walk, reader, setter)                                                     \
  ({                                                                                       \
    __auto_type opened = walk;                                                             \
    __auto_type entry = reader(opened);                                                    \
    while (entry && entry->fts_info != FTS_SL) entry = reader(opened);                     \
    !entry || setter(opened, entry, FTS_FOLLOW) ? -1 : good(reader(opened));               \
  })
static int linked(void) { return mkdir("in", 0700) | close(creat("in/file", 0600)) | symlink("in", "link"); }

static int ended(FILE* table, int (*closer)(FILE*)) {
  close(fileno(table));
  return closer(table);
}

// A file's handle takes a privilege to open.
static int by_handle(void) {
  union {
    struct file_handle handle;
    char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
  } file;
  int mount, start = open(".", O_RDONLY);
  file.handle.handle_bytes = MAX_HANDLE_SZ;
  if (name_to_handle_at(AT_FDCWD, ".", &file.handle, &mount, 0)) return kNone;
  const int fd = open_by_handle_at(start, &file.handle, O_RDONLY | O_DIRECTORY);
  return fd < 0 ? kNone : fd;
}

// Newer than many a libc: it is called only where that has it.
static int structured(const char* path) {
  int (*function)(int, const char*, struct open_how*, size_t) = dlsym(RTLD_DEFAULT, "openat2");
  struct open_how how = {O_RDWR | O_CREAT, 0600, 0};
  return function && dlsym(dlopen("libc.so.6", RTLD_NOW), "openat2") ? function(AT_FDCWD, path, &how, sizeof how) : kNone;
}

#include "remote_calls.h"

#define FILES_CALLS(CALL)                                                                                       \
  CALL(mkstemp, "file", mkstemp(template), mkstemp(no_template))                                                \
  CALL(mkstemp64, "file", mkstemp64(template), mkstemp64(no_template))                                          \
  CALL(mkostemp, "file", mkostemp(template, O_CLOEXEC), mkostemp(no_template, 0))                               \
  CALL(mkostemp64, "file", mkostemp64(template, O_CLOEXEC), mkostemp64(no_template, 0))                         \
  CALL(mkstemps, "file", mkstemps(template_c, 2), mkstemps(template_c, 3))                                      \
  CALL(mkstemps64, "file", mkstemps64(template_c, 2), mkstemps64(template_c, 3))                                \
  CALL(mkostemps, "file", mkostemps(template_c, 2, O_CLOEXEC), mkostemps(template_c, 3, 0))                     \
  CALL(mkostemps64, "file", mkostemps64(template_c, 2, O_CLOEXEC), mkostemps64(template_c, 3, 0))               \
  CALL(openat2, "-", structured("made"), structured("/nowhere/x"))                                              \
  CALL(open_by_handle_at, "-", by_handle(), open_by_handle_at(777, (struct file_handle*)unmapped, 0))           \
  CALL(memfd_create, "memfd", memfd_create("name", MFD_CLOEXEC), memfd_create("name", ~0U))                     \
  CALL(shm_open, "shared-memory", shared(shm_open(shared_name(), O_CREAT | O_RDWR, 0600)),                     \
       shm_open("/nowhere/x", O_RDWR, 0))                                                                       \
  CALL(mq_open, "mqueue", in_queue(mq_open(shared_name(), O_CREAT | O_RDWR, 0600, NULL)),       \
       mq_open("no-slash", O_RDWR))                                                                             \
  CALL(__mq_open_2, "mqueue",                                                                            \
       (syscall(SYS_close, syscall(SYS_mq_open, shared_name() + 1, O_CREAT | O_RDWR, 0600, NULL)),                    \
        in_queue(__mq_open_2(shared_name(), O_RDONLY))),                                           \
       __mq_open_2("/no-such-queue", O_RDWR))                                                                   \
  CALL(mq_close, "-", mq_close(queue()), mq_close(777))                                                         \
  CALL(mq_notify, "socket", notified(queue()), notified(777))                                                   \
  CALL(posix_openpt, "pty", posix_openpt(O_RDWR | O_NOCTTY), (limited(0), posix_openpt(O_RDWR)))                \
  CALL(getpt, "pty", getpt(), (limited(0), getpt()))                                                            \
  CALL(openpty, "pty", openpty(&master, &slave, NULL, NULL, NULL),                                              \
       (limited(1), openpty(&master, &slave, NULL, NULL, NULL)))                                                \
  CALL(tmpfile, "file", good(tmpfile()), (limited(0), good(tmpfile())))                                         \
  CALL(tmpfile64, "file", good(tmpfile64()), (limited(0), good(tmpfile64())))                                   \
  CALL(setmntent, "file", good(setmntent("made", "w")), good(setmntent("/nowhere/x", "r")))                     \
  CALL(__setmntent, "file", good(__setmntent("made", "w")), good(__setmntent("/nowhere/x", "r")))               \
  CALL(endmntent, "-", endmntent(setmntent("made", "w")), ended(setmntent("made", "w"), endmntent))             \
  CALL(__endmntent, "-", __endmntent(setmntent("made", "w")), ended(setmntent("made", "w"), __endmntent))       \
  CALL(fts_open, "directory", good(walk()), good(fts_open(walked, -1, NULL)))                                   \
  CALL(fts64_open, "directory", good(walk64()), good(fts64_open(walked, -1, NULL)))                             \
  CALL(fts_read, "directory", linked() ? -1 : FOLLOWED(walk(), fts_read, fts_set),                              \
       good(fts_read(fts_open(walked + 1, FTS_PHYSICAL, NULL))))                                                \
  CALL(fts64_read, "directory", linked() ? -1 : FOLLOWED(walk64(), fts64_read, fts64_set),                      \
       good(fts64_read(fts64_open(walked + 1, FTS_PHYSICAL, NULL))))                                            \
  CALL(fts_close, "-", fts_close(walk()), CLOSED_WALK(walk(), fts_close))                                       \
  CALL(fts64_close, "-", fts64_close(walk64()), CLOSED_WALK(walk64(), fts64_close))        \
  REMOTE_CALLS(CALL)
