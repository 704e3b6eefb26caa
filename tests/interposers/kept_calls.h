#pragma once

// What libc opens for itself and keeps: the databases, logins, the system log.

#include <aliases.h>
#include <fstab.h>
#include <grp.h>
#include <gshadow.h>
#include <netdb.h>
#include <pwd.h>
#include <rpc/netdb.h>
#include <sched.h>
#include <shadow.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <syslog.h>
#include <ttyent.h>
#include <utmp.h>
#include <utmpx.h>

extern void __syslog_chk(int, int, const char*, ...);
extern void __vsyslog_chk(int, int, const char*, va_list);

// Only where this machine has the file, and lets us read it.
#define IN(file, call) (access(file, R_OK) == 0 ? (call) : kNone)

static int database_error;
#define ENTRY_R(function, type, size, ...)                              \
  ({                                                                    \
    static type entry, *result;                                         \
    static char buffer[4096];                                           \
    function(&entry, buffer, size, &result __VA_OPT__(, ) __VA_ARGS__); \
  })

static struct utmp any_utmp = {.ut_type = USER_PROCESS, .ut_line = "pts/7", .ut_id = "7"};
static struct utmpx any_utmpx = {.ut_type = USER_PROCESS, .ut_line = "pts/7", .ut_id = "7"};
static struct utmp found_utmp, *utmp_result;

static void utmp_file(void) {
  int fd = open("logins", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (write(fd, &any_utmp, sizeof any_utmp) != sizeof any_utmp || close(fd) || utmpname("logins")) abort();
}

// A log of our own, in a mount namespace of our own; false where that is not permitted.
static int log_there(void) {
  struct sockaddr_un address = {AF_UNIX, "/dev/log"};
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
         mount("tmpfs", "/dev", "tmpfs", 0, NULL) == 0 && bind(fd, (struct sockaddr*)&address, sizeof address) == 0;
}
#define LOGGED(call) (log_there() ? ((call), 0) : kNone)

static void log_list(int fortified, const char* format, ...) {
  va_list list;
  va_start(list, format);
  if (fortified) {
    __vsyslog_chk(LOG_INFO, 1, format, list);
  } else {
    vsyslog(LOG_INFO, format, list);
  }
  va_end(list);
}

#define KEPT_CALLS(CALL)                                                                                  \
  CALL(setpwent, "file", IN("/etc/passwd", (setpwent(), 0)), kNone)                                       \
  CALL(getpwent, "file", IN("/etc/passwd", good(getpwent())), kNone)                                      \
  CALL(getpwent_r, "file", IN("/etc/passwd", ENTRY_R(getpwent_r, struct passwd, 4096)),                   \
       IN("/etc/passwd", ENTRY_R(getpwent_r, struct passwd, 1)))                                          \
  CALL(endpwent, "-", IN("/etc/passwd", (setpwent(), getpwent(), endpwent(), 0)), kNone)                  \
  CALL(setgrent, "file", IN("/etc/group", (setgrent(), 0)), kNone)                                        \
  CALL(getgrent, "file", IN("/etc/group", good(getgrent())), kNone)                                       \
  CALL(getgrent_r, "file", IN("/etc/group", ENTRY_R(getgrent_r, struct group, 4096)),                     \
       IN("/etc/group", ENTRY_R(getgrent_r, struct group, 1)))                                            \
  CALL(endgrent, "-", IN("/etc/group", (setgrent(), getgrent(), endgrent(), 0)), kNone)                   \
  CALL(setspent, "-", IN("/etc/shadow", (setspent(), 0)), kNone)                                          \
  CALL(getspent, "-", IN("/etc/shadow", good(getspent())), kNone)                                         \
  CALL(getspent_r, "-", IN("/etc/shadow", ENTRY_R(getspent_r, struct spwd, 4096)),                        \
       IN("/etc/shadow", ENTRY_R(getspent_r, struct spwd, 1)))                                            \
  CALL(endspent, "-", IN("/etc/shadow", (setspent(), getspent(), endspent(), 0)), kNone)                  \
  CALL(setsgent, "-", IN("/etc/gshadow", (setsgent(), 0)), kNone)                                         \
  CALL(getsgent, "-", IN("/etc/gshadow", good(getsgent())), kNone)                                        \
  CALL(getsgent_r, "-", IN("/etc/gshadow", ENTRY_R(getsgent_r, struct sgrp, 4096)),                       \
       IN("/etc/gshadow", ENTRY_R(getsgent_r, struct sgrp, 1)))                                           \
  CALL(endsgent, "-", IN("/etc/gshadow", (setsgent(), getsgent(), endsgent(), 0)), kNone)                 \
  CALL(lckpwdf, "-", lckpwdf(), kNone)                                                                    \
  CALL(ulckpwdf, "-", (lckpwdf(), ulckpwdf()), kNone)                                                     \
  CALL(setservent, "-", IN("/etc/services", (setservent(1), 0)), kNone)                                   \
  CALL(getservent, "-", IN("/etc/services", good(getservent())), kNone)                                   \
  CALL(getservent_r, "-", IN("/etc/services", ENTRY_R(getservent_r, struct servent, 4096)),               \
       IN("/etc/services", ENTRY_R(getservent_r, struct servent, 1)))                                     \
  CALL(endservent, "-", IN("/etc/services", (setservent(1), getservent(), endservent(), 0)), kNone)       \
  CALL(sethostent, "-", IN("/etc/hosts", (sethostent(1), 0)), kNone)                                      \
  CALL(gethostent, "-", IN("/etc/hosts", good(gethostent())), kNone)                                      \
  CALL(gethostent_r, "-", IN("/etc/hosts", ENTRY_R(gethostent_r, struct hostent, 4096, &database_error)), \
       IN("/etc/hosts", ENTRY_R(gethostent_r, struct hostent, 1, &database_error)))                       \
  CALL(endhostent, "-", IN("/etc/hosts", (sethostent(1), gethostent(), endhostent(), 0)), kNone)          \
  CALL(setprotoent, "-", IN("/etc/protocols", (setprotoent(1), 0)), kNone)                                \
  CALL(getprotoent, "-", IN("/etc/protocols", good(getprotoent())), kNone)                                \
  CALL(getprotoent_r, "-", IN("/etc/protocols", ENTRY_R(getprotoent_r, struct protoent, 4096)),           \
       IN("/etc/protocols", ENTRY_R(getprotoent_r, struct protoent, 1)))                                  \
  CALL(endprotoent, "-", IN("/etc/protocols", (setprotoent(1), getprotoent(), endprotoent(), 0)), kNone)  \
  CALL(setnetent, "-", IN("/etc/networks", (setnetent(1), 0)), kNone)                                     \
  CALL(getnetent, "-", IN("/etc/networks", good(getnetent())), kNone)                                     \
  CALL(getnetent_r, "-", IN("/etc/networks", ENTRY_R(getnetent_r, struct netent, 4096, &database_error)), \
       IN("/etc/networks", ENTRY_R(getnetent_r, struct netent, 1, &database_error)))                      \
  CALL(endnetent, "-", IN("/etc/networks", (setnetent(1), getnetent(), endnetent(), 0)), kNone)           \
  CALL(setrpcent, "-", IN("/etc/rpc", (setrpcent(1), 0)), kNone)                                          \
  CALL(getrpcent, "-", IN("/etc/rpc", good(getrpcent())), kNone)                                          \
  CALL(getrpcent_r, "-", IN("/etc/rpc", ENTRY_R(getrpcent_r, struct rpcent, 4096)),                       \
       IN("/etc/rpc", ENTRY_R(getrpcent_r, struct rpcent, 1)))                                            \
  CALL(endrpcent, "-", IN("/etc/rpc", (setrpcent(1), getrpcent(), endrpcent(), 0)), kNone)                \
  CALL(setaliasent, "-", IN("/etc/aliases", (setaliasent(), 0)), kNone)                                   \
  CALL(getaliasent, "-", IN("/etc/aliases", good(getaliasent())), kNone)                                  \
  CALL(getaliasent_r, "-", IN("/etc/aliases", ENTRY_R(getaliasent_r, struct aliasent, 4096)),             \
       IN("/etc/aliases", ENTRY_R(getaliasent_r, struct aliasent, 1)))                                    \
  CALL(endaliasent, "-", IN("/etc/aliases", (setaliasent(), getaliasent(), endaliasent(), 0)), kNone)     \
  CALL(setutent, "file", (utmp_file(), setutent(), 0), kNone)                                             \
  CALL(getutent, "file", (utmp_file(), good(getutent())), kNone)                                          \
  CALL(getutid, "file", (utmp_file(), good(getutid(&any_utmp))), kNone)                                   \
  CALL(getutline, "file", (utmp_file(), good(getutline(&any_utmp))), kNone)                               \
  CALL(pututline, "file", (utmp_file(), good(pututline(&any_utmp))), kNone)                               \
  CALL(endutent, "-", (utmp_file(), setutent(), endutent(), 0), kNone)                                    \
  CALL(utmpname, "-", (utmp_file(), setutent(), utmpname("other")), kNone)                                \
  CALL(setutxent, "file", (utmp_file(), setutxent(), 0), kNone)                                           \
  CALL(getutxent, "file", (utmp_file(), good(getutxent())), kNone)                                        \
  CALL(getutxid, "file", (utmp_file(), good(getutxid(&any_utmpx))), kNone)                                \
  CALL(getutxline, "file", (utmp_file(), good(getutxline(&any_utmpx))), kNone)                            \
  CALL(pututxline, "file", (utmp_file(), good(pututxline(&any_utmpx))), kNone)                            \
  CALL(endutxent, "-", (utmp_file(), setutxent(), endutxent(), 0), kNone)                                 \
  CALL(utmpxname, "-", (utmp_file(), setutxent(), utmpxname("other")), kNone)                             \
  CALL(getutent_r, "file", (utmp_file(), getutent_r(&found_utmp, &utmp_result)), kNone)                   \
  CALL(getutid_r, "file", (utmp_file(), getutid_r(&any_utmp, &found_utmp, &utmp_result)), kNone)          \
  CALL(getutline_r, "file", (utmp_file(), getutline_r(&any_utmp, &found_utmp, &utmp_result)), kNone)      \
  CALL(login, "-", kNone, kNone)                                                                          \
  CALL(logout, "-", (utmp_file(), setutent(), logout("nowhere")), kNone)                                  \
  CALL(setfsent, "-", IN("/etc/fstab", setfsent()), kNone)                                                \
  CALL(getfsent, "-", IN("/etc/fstab", (getfsent(), 0)), kNone)                                           \
  CALL(getfsspec, "-", IN("/etc/fstab", good(getfsspec("/nowhere"))), kNone)                              \
  CALL(getfsfile, "-", IN("/etc/fstab", good(getfsfile("/nowhere"))), kNone)                              \
  CALL(endfsent, "-", IN("/etc/fstab", (setfsent(), endfsent(), 0)), kNone)                               \
  CALL(setttyent, "-", IN("/etc/ttys", setttyent()), kNone)                                               \
  CALL(getttyent, "-", IN("/etc/ttys", (getttyent(), 0)), kNone)                                          \
  CALL(getttynam, "-", IN("/etc/ttys", (setttyent(), good(getttynam("console")))), kNone)                 \
  CALL(endttyent, "-", IN("/etc/ttys", (setttyent(), endttyent())), kNone)                                \
  CALL(openlog, "-", LOGGED(openlog("calls", LOG_NDELAY, LOG_USER)), kNone)                               \
  CALL(syslog, "-", LOGGED(syslog(LOG_INFO, "%d", 1)), kNone)                                             \
  CALL(vsyslog, "-", LOGGED(log_list(0, "%d", 1)), kNone)                                                 \
  CALL(__syslog_chk, "-", LOGGED(__syslog_chk(LOG_INFO, 1, "%d", 1)), kNone)                              \
  CALL(__vsyslog_chk, "-", LOGGED(log_list(1, "%d", 1)), kNone)                                           \
  CALL(closelog, "-", LOGGED((syslog(LOG_INFO, "x"), closelog())), kNone)
