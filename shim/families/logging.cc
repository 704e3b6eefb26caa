// The system log: libc's socket to it, opened by openlog or the first message, closed and opened anew where the log
// daemon was started again, kept until closelog.

#include <syslog.h>

#include <cstdarg>

#include "shim/events/kept.h"

extern "C" {
void __syslog_chk(int, int, const char*, ...);
void __vsyslog_chk(int, int, const char*, va_list);
}

namespace fdaudit::shim {
namespace {

constinit Kept kept_log = {{"/dev/log"}, true};

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("may open a socket to the log, which libc keeps", void, openlog, const char* name, int flags, int facility) {
  Keeping(kept_log, real::openlog, name, flags, facility);
}
INTERPOSE("opens or replaces a socket to the log, which libc keeps", void, vsyslog, int priority, const char* format,
          va_list arguments) {
  Keeping(kept_log, real::vsyslog, priority, format, arguments);
}
INTERPOSE("opens or replaces a socket to the log, which libc keeps", void, __vsyslog_chk, int priority, int flag,
          const char* format, va_list arguments) {
  Keeping(kept_log, real::__vsyslog_chk, priority, flag, format, arguments);
}
// Variable arguments can be passed on as a list only, to the function that libc's own comes down to.
INTERPOSE("opens or replaces a socket to the log, which libc keeps", void, syslog, int priority, const char* format,
          ...) {
  va_list arguments;
  va_start(arguments, format);
  const CallSite site = FDAUDIT_CALL_SITE(real::syslog);
  const KeptWatch watch(site, kept_log);
  real::vsyslog(priority, format, arguments);
  va_end(arguments);
}
INTERPOSE("opens or replaces a socket to the log, which libc keeps", void, __syslog_chk, int priority, int flag,
          const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const CallSite site = FDAUDIT_CALL_SITE(real::__syslog_chk);
  const KeptWatch watch(site, kept_log);
  real::__vsyslog_chk(priority, flag, format, arguments);
  va_end(arguments);
}
INTERPOSE("closes the socket to the log", void, closelog) { Releasing(kept_log, real::closelog); }
