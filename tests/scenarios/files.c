// Descriptors of files that libc opens inside functions of many names: left open, each in a function of its own; given
// back in every odd but legal way; and reported when the process was killed.
#include "scenario.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <linux/openat2.h>
#include <mntent.h>
#include <mqueue.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char name[100];  // where the functions below put what they have made

static char* template(const char* text) { return strcpy(name, text); }
static int open_folder(void) {
  mkdir("folder", 0700);
  return open("folder", O_RDONLY | O_DIRECTORY);
}
static mqd_t open_queue(void) {
  char queue[32];
  snprintf(queue, sizeof queue, "/scenario-%d", getpid());
  mqd_t opened = mq_open(queue, O_CREAT | O_RDWR, 0600, NULL);
  mq_unlink(queue);
  return opened;
}
static int open_shared(void) {
  char shared[32];
  snprintf(shared, sizeof shared, "//scenario-%d", getpid());
  int opened = shm_open(shared, O_CREAT | O_RDWR, 0600);
  shm_unlink(shared);
  return opened;
}

// --- left open

static void leak_mkstemp(void) { MUST(mkstemp(template("one-XXXXXX")) >= 0); }  // @mkstemp
static void leak_mkostemp(void) {
  MUST(mkostemp(template("two-XXXXXX"), O_CLOEXEC) >= 0);  // @mkostemp
}
static void leak_mkstemps(void) {
  MUST(mkstemps(template("three-XXXXXX.c"), 2) >= 0);  // @mkstemps
}
static void leak_mkostemps(void) {
  MUST(mkostemps(template("four-XXXXXX.c"), 2, O_APPEND) >= 0);  // @mkostemps
}
static void leak_nameless(void) { MUST(open(".", O_TMPFILE | O_RDWR, 0600) >= 0); }             // @nameless
static void leak_tmpfile(void) { MUST(tmpfile()); }                                             // @tmpfile
static void leak_memfd_create(void) { MUST(memfd_create("scratch", 0) >= 0); }                  // @memfd
static void leak_shm_open(void) { MUST(open_shared() >= 0); }
static void leak_mq_open(void) { MUST(open_queue() >= 0); }
static void leak_posix_openpt(void) { MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0); } // @posix_openpt
static void leak_getpt(void) { MUST(getpt() >= 0); }                                            // @getpt
static void leak_openpty(void) {
  int master, slave;
  MUST(openpty(&master, &slave, name, NULL, NULL) == 0);  // @openpty
}
static void leak_setmntent(void) { MUST(setmntent("/proc/self/mounts", "r")); }  // @setmntent
static void leak_openat(void) {
  int folder = open_folder();
  MUST(openat(folder, "below", O_RDWR | O_CREAT, 0600) >= 0);  // @openat
  close(folder);
}
static struct open_how how = {O_RDWR | O_CREAT, 0600, 0};
static void leak_by_number(void) {
  int folder = open_folder();
  MUST(syscall(SYS_openat2, folder, "by number", &how, sizeof how) >= 0);  // @by-number
  close(folder);
}
// Found at run time, whether libc has it or not.
static void leak_openat2(void) {
  int (*found)(int, const char*, struct open_how*, size_t) = dlsym(RTLD_DEFAULT, "openat2");
  int folder = open_folder();
  MUST(found && found(folder, "below too", &how, sizeof how) >= 0);  // @openat2
  MUST(found(folder, "no/such/folder", &how, sizeof how) == -1 && errno == ENOENT);
  close(folder);
}
static void leak_fts_open(void) {
  char* const walked[] = {"folder", NULL};
  MUST(fts_open(walked, FTS_PHYSICAL, NULL));  // @fts_open
}
// The walk is given back inside what a link led to: its way back from there is not.
static void leak_fts_read(void) {
  char* const walked[] = {"tree", NULL};
  MUST(mkdir("tree", 0700) == 0 && mkdir("elsewhere", 0700) == 0 && symlink("../elsewhere", "tree/link") == 0);
  FTS* walk = fts_open(walked, FTS_PHYSICAL, NULL);
  FTSENT* entry;
  while ((entry = fts_read(walk)) && entry->fts_info != FTS_SL) continue;
  MUST(entry && fts_set(walk, entry, FTS_FOLLOW) == 0);
  MUST(fts_read(walk)->fts_info == FTS_D);  // @fts_read
  fts_close(walk);
}
static void leak_reopened(void) {
  FILE* file = fopen("reopened", "w");
  MUST(file && freopen(NULL, "r", file));  // @reopened
}

static void leaks(void) {
  leak_mkstemp();
  leak_mkostemp();
  leak_mkstemps();
  leak_mkostemps();
  leak_nameless();
  leak_tmpfile();
  leak_memfd_create();
  leak_shm_open();
  leak_mq_open();
  leak_posix_openpt();
  leak_getpt();
  leak_openpty();
  leak_setmntent();
  leak_openat();
  leak_by_number();
  leak_openat2();
  leak_fts_open();
  leak_fts_read();
  leak_reopened();
}

static void killed(void) {
  leaks();
  kill(getpid(), SIGKILL);
}

// --- given back

static void temporary_files(void) {
  FILE* stream = fdopen(mkstemp(template("stream-XXXXXX")), "w");
  MUST(stream && fclose(stream) == 0);
  int fd = mkstemp(template("unlinked-XXXXXX"));
  MUST(unlink(name) == 0 && close(fd) == 0);
  MUST(mkstemp(template("no template")) == -1 && errno == EINVAL);
  MUST(fclose(tmpfile()) == 0);
}

static void memory(void) {
  int scratch = memfd_create("scratch", MFD_CLOEXEC), copy = dup(scratch), shared = open_shared();
  MUST(ftruncate(scratch, 4096) == 0 && ftruncate(shared, 4096) == 0);
  char* a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, scratch, 0);
  char* b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
  MUST(close(scratch) == 0 && close(shared) == 0 && close(copy) == 0);
  *a = *b = 'x';
  MUST(shm_open("/no/such", O_RDWR, 0) == -1);
}

static void queues(void) {
  MUST(mq_close(open_queue()) == 0);
  MUST(close(open_queue()) == 0);
  MUST(mq_open("no slash", O_RDWR) == -1);
}

static void terminals(void) {
  int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
  MUST(grantpt(master) == 0 && unlockpt(master) == 0);
  slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  MUST(close(master) == 0 && close(slave) == 0);
  MUST(openpty(&master, &slave, NULL, NULL, NULL) == 0 && dup2(slave, 100) == 100);
  MUST(close(slave) == 0 && fclose(fdopen(master, "r+")) == 0 && close(100) == 0);
}

static void mounts(void) {
  FILE* table = setmntent("/proc/self/mounts", "r");
  MUST(table && getmntent(table) && endmntent(table) == 1);
  MUST(fclose(setmntent("/proc/self/mounts", "r")) == 0);
  MUST(endmntent(NULL) == 1);
  errno = EBADF;  // left from another call: says nothing of this one
  MUST(endmntent(setmntent("/proc/self/mounts", "r")) == 1 && errno == EBADF);
}

static int visited(const char* path, const struct stat* status, int type, struct FTW* place) {
  (void)path, (void)status, (void)type, (void)place;
  return 0;
}

// Walks of every sort: over a link to where there are files and folders, left half-way, skipped, not begun.
static void walk(int options, int how_far, int at_link) {
  char* const walked[] = {"well", "well/link", NULL};
  FTS* walk = fts_open(walked, options, NULL);
  FTSENT* entry;
  MUST(walk);
  while (how_far-- > 0 && (entry = fts_read(walk))) {
    const int link = entry->fts_info == FTS_SL;
    if (link && entry->fts_level > 0 && at_link) MUST(fts_set(walk, entry, FTS_FOLLOW) == 0);
    if (entry->fts_info == FTS_D && at_link == FTS_SKIP && strcmp(entry->fts_name, "link") == 0) {
      MUST(fts_set(walk, entry, FTS_SKIP) == 0);
    }
    if (entry->fts_level == 0) fts_children(walk, 0);
  }
  MUST(fts_close(walk) == 0);
}

static void walks(void) {
  MUST(mkdir("well", 0700) == 0 && mkdir("far", 0700) == 0 && mkdir("far/in", 0700) == 0);
  MUST(close(creat("far/in/file", 0600)) == 0 && symlink("../far", "well/link") == 0);
  MUST(symlink("../../well", "far/in/back") == 0);
  const int options[] = {FTS_PHYSICAL, FTS_LOGICAL, FTS_PHYSICAL | FTS_NOCHDIR, FTS_PHYSICAL | FTS_COMFOLLOW};
  for (size_t i = 0; i < sizeof options / sizeof *options; ++i) {
    walk(options[i], 0, 0);
    walk(options[i], 3, 0);
    walk(options[i], 1000, 0);
    walk(options[i], 1000, FTS_SKIP);
  }
  walk(FTS_PHYSICAL, 1000, FTS_FOLLOW);
  char* const none[] = {"nowhere", NULL};
  MUST(fts_open(none, -1, NULL) == NULL);
  struct dirent** list;
  glob_t found;
  MUST(nftw("well", visited, 9, 0) == 0 && scandir(".", &list, NULL, alphasort) > 0 && glob("*", 0, NULL, &found) == 0);
}

static ssize_t nothing(void* cookie, char* buffer, size_t size) {
  (void)cookie, (void)buffer, (void)size;
  return 0;
}

// Streams that have no descriptor, and such as change theirs.
static void streams(void) {
  char buffer[10], *text;
  size_t size;
  cookie_io_functions_t functions = {.read = nothing};
  MUST(fclose(fmemopen(buffer, sizeof buffer, "w")) == 0);
  MUST(fclose(open_memstream(&text, &size)) == 0);
  MUST(fclose(fopencookie(NULL, "r", functions)) == 0);
  FILE* file;
  MUST((file = fopen("again", "w")) && (file = freopen(NULL, "r", file)) && (file = freopen(NULL, "a", file)));
  MUST(dup2(0, fileno(file)) == fileno(file) && fclose(file) == 0);
  MUST((file = fopen("again", "w")) && !freopen("/nowhere/x", "r", file));
  DIR* directory = fdopendir(open(".", O_RDONLY));
  int relative = openat(dirfd(directory), "again", O_RDONLY);
  MUST(closedir(directory) == 0 && close(relative) == 0);
}

static void* close_stream(void* stream) { return fclose(stream) == 0 ? stream : NULL; }

static void elsewhere(void) {
  pthread_t thread;
  void* result;
  MUST(pthread_create(&thread, NULL, close_stream, tmpfile()) == 0 && pthread_join(thread, &result) == 0 && result);
}

static void all_well(void) {
  temporary_files();
  memory();
  queues();
  terminals();
  mounts();
  walks();
  streams();
  elsewhere();
}

// --- given back once too often

static void mounts_twice(void) {
  FILE* table = setmntent("/proc/self/mounts", "r");  // @table
  close(fileno(table));                               // @table-closed
  endmntent(table);                                   // @table-again
}
static void walk_twice(void) {
  char* const walked[] = {".", NULL};
  FTS* walk = fts_open(walked, FTS_PHYSICAL, NULL);  // @walk
  close(walk->fts_rfd);                              // @walk-closed
  MUST(fts_close(walk) == -1 && errno == EBADF);     // @walk-again
}
static void queue_twice(void) {
  mqd_t queue = open_queue();
  close(queue);     // @queue-closed
  mq_close(queue);  // @queue-again
}

static void twice(void) {
  mounts_twice();
  walk_twice();
  queue_twice();
}

static const struct scenario kCases[] = {SCENARIO(leaks), SCENARIO(killed), SCENARIO(all_well), SCENARIO(twice),
                                         {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
