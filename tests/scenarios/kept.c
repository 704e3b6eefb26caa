// What libc opens for itself and keeps: users, services, logins, the system log. With the call that ends it there is no
// finding, without it a note.

#include "scenario.h"

#include <dlfcn.h>
#include <grp.h>
#include <iconv.h>
#include <locale.h>
#include <mqueue.h>
#include <netdb.h>
#include <nl_types.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <shadow.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <utmpx.h>

static void read_users(void) {
  MUST(getpwent());  // @users
  while (getpwent()) continue;
}

static void users_left(void) { read_users(); }

static void users_ended(void) {
  for (int i = 0; i < 3; ++i) {
    read_users();
    setpwent();
    read_users();
    endpwent();
  }
}

// A small system has no list of services or hosts.
static void need_databases(void) {
  if (access("/etc/services", R_OK) != 0 || access("/etc/hosts", R_OK) != 0) exit(77);
}

static void all_left(void) {
  need_databases();
  MUST(getpwent());  // @passwd
  setgrent();        // @group
  setservent(1);     // @services
  MUST(getservbyname("http", "tcp"));
  sethostent(1);  // @hosts
}

static void all_ended(void) {
  all_left();
  endhostent();
  endservent();
  endgrent();
  endpwent();
}

static void make_logins(void) {
  struct utmpx entry = {.ut_type = USER_PROCESS, .ut_line = "pts/7", .ut_id = "7"};
  int fd = open("logins", O_WRONLY | O_CREAT, 0600);
  MUST(write(fd, &entry, sizeof entry) == sizeof entry);
  close(fd);
  utmpxname("logins");
}

static void logins_left(void) {
  make_logins();
  MUST(getutxent());  // @logins
}

static void logins_ended(void) {
  make_logins();
  MUST(getutxent());
  endutxent();
  MUST(getutxent());
  utmpxname("logins");  // closes, too
}

// --- behind libc's back

// A daemon closes everything first of all.
static void closed_by_a_loop(void) {
  MUST(getpwent());
  for (int fd = 3; fd < 64; ++fd) close(fd);
  endpwent();
}

// The number is the program's own when libc closes it.
static void taken_over(void) {
  MUST(getpwent());
  for (int fd = 3; fd < 64; ++fd) close(fd);
  int fd = open("/dev/null", O_RDONLY);  // @taken
  endpwent();                            // @ended
  MUST(close(fd) == -1 && errno == EBADF);  // @own
}

static void forked(void) {
  MUST(getpwent());
  pid_t child = fork();
  if (child == 0) {
    MUST(getpwent());
    endpwent();
    MUST(getpwent());
    endpwent();
    exit(0);
  }
  MUST(status_of(child) == 0);
  endpwent();
}

static void* read_them(void* unused) {
  for (int i = 0; i < 200; ++i) {
    setpwent();
    getpwent();
    endpwent();
    setgrent();
    getgrent();
    endgrent();
  }
  return unused;
}

// Others open, even the very same file, while libc does.
static void* open_files(void* unused) {
  for (int i = 0; i < 2000; ++i) {
    int fd = open(i % 2 ? "/etc/passwd" : "/dev/null", O_RDONLY | (i % 4 == 1 ? O_CLOEXEC : 0)), other = dup(fd);
    MUST(fd >= 0 && other >= 0);
    MUST(close(fd) == 0 && close(other) == 0);
  }
  return unused;
}

static void threads(void) {
  pthread_t ids[6];
  for (int i = 0; i < 6; ++i) MUST(pthread_create(&ids[i], NULL, i % 2 ? open_files : read_them, NULL) == 0);
  for (int i = 0; i < 6; ++i) MUST(pthread_join(ids[i], NULL) == 0);
}

// --- the log

static int new_log(void) {
  struct sockaddr_un address = {AF_UNIX, "/dev/log"};
  unlink("/dev/log");
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  MUST(bind(fd, (struct sockaddr*)&address, sizeof address) == 0);
  return fd;
}

// In a mount namespace of our own.
static int first_log(void) {
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("tmpfs", "/dev", "tmpfs", 0, NULL)) {
    fprintf(stderr, "no /dev/log of our own: mount namespaces are not permitted\n");
    exit(77);
  }
  return new_log();
}

static void await_message(int log, const char* wanted) {
  char message[256] = "";
  MUST(recv(log, message, sizeof message - 1, 0) > 0 && strstr(message, wanted));
}

static void log_left(void) {
  int log = first_log();
  openlog("kept", 0, LOG_USER);
  syslog(LOG_INFO, "%s %d", "message", 1);  // @logged
  syslog(LOG_INFO, "message 2");
  await_message(log, "message 1");
  close(log);
}

static void log_closed(void) {
  int log = first_log();
  openlog("kept", LOG_NDELAY, LOG_USER);
  for (int i = 0; i < 3; ++i) {
    syslog(LOG_INFO, "message");
    await_message(log, "message");
  }
  closelog();
  closelog();
  close(log);
}

// libc connects again; the number may be another one then.
static void log_restarted(void) {
  int log = first_log();
  syslog(LOG_INFO, "first");
  await_message(log, "first");
  close(log);
  log = new_log();
  syslog(LOG_INFO, "second");
  await_message(log, "second");
  int lower = open("/dev", O_RDONLY);
  closelog();
  close(lower);
  close(log);
}

static void log_gone(void) {
  close(first_log());
  syslog(LOG_INFO, "nobody listens");
  closelog();
}

// --- all of it in a day's work

static void odd_but_legal(void) {
  need_databases();
  setlocale(LC_ALL, "");
  time_t now = time(NULL);
  MUST(localtime(&now));
  MUST(getpwnam("root") && getgrnam("root"));
  for (int i = 0; i < 2; ++i) {
    struct addrinfo* found = NULL;
    if (getaddrinfo("localhost", "http", NULL, &found) == 0) freeaddrinfo(found);
    if (getaddrinfo("nowhere.invalid", NULL, NULL, &found) == 0) freeaddrinfo(found);
  }
  read_users();
  endpwent();
  MUST(getservbyname("http", "tcp") && gethostbyname("localhost"));
  iconv_t conversion = iconv_open("UTF-16", "ISO-8859-1");
  MUST(conversion != (iconv_t)-1);
  iconv_close(conversion);
  nl_catd catalogue = catopen("nowhere", 0);
  if (catalogue != (nl_catd)-1) catclose(catalogue);
  void* library = dlopen("libm.so.6", RTLD_NOW);
  MUST(library);
  dlclose(library);
  openlog("kept", LOG_NDELAY, LOG_USER);
  syslog(LOG_DEBUG, "a day's work");
  closelog();
}

// Neither the lock nor the socket can be had everywhere.
static void lock_left(void) {
  if (lckpwdf() != 0) _exit(77);  // @locked
}

static void lock_ended(void) {
  for (int i = 0; i < 3; ++i) {
    lock_left();
    MUST(ulckpwdf() == 0);
  }
}

static void notified(union sigval value) { (void)value; }

static void notifications(void) {
  struct sigevent how = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notified};
  char name[32];
  snprintf(name, sizeof name, "/fdaudit-%d", getpid());
  mqd_t queue = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
  if (queue < 0) _exit(77);
  mq_unlink(name);
  for (int i = 0; i < 3; ++i) {
    MUST(mq_notify(queue, &how) == 0);  // @notify
    MUST(mq_notify(queue, NULL) == 0);
  }
  MUST(mq_close(queue) == 0);
}

static const struct scenario kCases[] = {
    SCENARIO(users_left),   SCENARIO(users_ended),      SCENARIO(all_left),   SCENARIO(all_ended),
    SCENARIO(logins_left),  SCENARIO(logins_ended),     SCENARIO(closed_by_a_loop), SCENARIO(taken_over),
    SCENARIO(forked),       SCENARIO(threads),          SCENARIO(log_left),   SCENARIO(log_closed),
    SCENARIO(log_restarted), SCENARIO(log_gone),        SCENARIO(odd_but_legal),
    SCENARIO(lock_left),     SCENARIO(lock_ended),      SCENARIO(notifications), {NULL, NULL}};

int main(int argc, char** argv) {
  run_scenario(kCases, argc > 1 ? argv[1] : NULL);
  return 0;
}
