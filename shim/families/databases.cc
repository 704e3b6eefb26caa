// The databases of users, groups, hosts and the like, of logins, file systems and terminals. Reading one from the start
// leaves its file open inside libc until the end... function is called. What looks up a single entry (getpwnam,
// getservbyname) closes behind itself and needs nothing.

#include <aliases.h>
#include <fstab.h>
#include <grp.h>
#include <gshadow.h>
#include <netdb.h>
#include <pwd.h>
#include <rpc/netdb.h>
#include <shadow.h>
#include <ttyent.h>
#include <utmp.h>
#include <utmpx.h>

#include "shim/events/kept.h"

namespace fdaudit::shim {
namespace {

constinit Kept kept_passwd = {{"/etc/passwd"}, false};
constinit Kept kept_group = {{"/etc/group"}, false};
constinit Kept kept_spwd = {{"/etc/shadow"}, false};
constinit Kept kept_sgrp = {{"/etc/gshadow"}, false};
constinit Kept kept_servent = {{"/etc/services"}, false};
constinit Kept kept_hostent = {{"/etc/hosts"}, false};
constinit Kept kept_protoent = {{"/etc/protocols"}, false};
constinit Kept kept_netent = {{"/etc/networks"}, false};
constinit Kept kept_rpcent = {{"/etc/rpc"}, false};
constinit Kept kept_aliasent = {{"/etc/aliases"}, false};
constinit Kept kept_fstab = {{"/etc/fstab"}, false};
constinit Kept kept_ttys = {{"/etc/ttys"}, false};
constinit Kept kept_lock = {{"/etc/.pwd.lock"}, false};
/// login, logout and getlogin let go of it too.
constinit Kept kept_utmp = {{"/var/run/utmp", "/var/log/wtmp"}, true};

}  // namespace
}  // namespace fdaudit::shim

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens a database, which libc keeps open", void, setpwent) { Keeping(kept_passwd, real::setpwent); }
INTERPOSE("opens a database, which libc keeps open", passwd*, getpwent) { return Keeping(kept_passwd, real::getpwent); }
INTERPOSE("opens a database, which libc keeps open", int, getpwent_r, passwd* entry, char* buffer, size_t size,
          passwd** result) {
  return Keeping(kept_passwd, real::getpwent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endpwent) { Releasing(kept_passwd, real::endpwent); }

INTERPOSE("opens a database, which libc keeps open", void, setgrent) { Keeping(kept_group, real::setgrent); }
INTERPOSE("opens a database, which libc keeps open", group*, getgrent) { return Keeping(kept_group, real::getgrent); }
INTERPOSE("opens a database, which libc keeps open", int, getgrent_r, group* entry, char* buffer, size_t size,
          group** result) {
  return Keeping(kept_group, real::getgrent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endgrent) { Releasing(kept_group, real::endgrent); }

INTERPOSE("opens a database, which libc keeps open", void, setspent) { Keeping(kept_spwd, real::setspent); }
INTERPOSE("opens a database, which libc keeps open", spwd*, getspent) { return Keeping(kept_spwd, real::getspent); }
INTERPOSE("opens a database, which libc keeps open", int, getspent_r, spwd* entry, char* buffer, size_t size,
          spwd** result) {
  return Keeping(kept_spwd, real::getspent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endspent) { Releasing(kept_spwd, real::endspent); }

INTERPOSE("opens a database, which libc keeps open", void, setsgent) { Keeping(kept_sgrp, real::setsgent); }
INTERPOSE("opens a database, which libc keeps open", sgrp*, getsgent) { return Keeping(kept_sgrp, real::getsgent); }
INTERPOSE("opens a database, which libc keeps open", int, getsgent_r, sgrp* entry, char* buffer, size_t size,
          sgrp** result) {
  return Keeping(kept_sgrp, real::getsgent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endsgent) { Releasing(kept_sgrp, real::endsgent); }

INTERPOSE("opens the databases' lock, which libc keeps open", int, lckpwdf) noexcept {
  return Keeping(kept_lock, real::lckpwdf);
}
INTERPOSE("closes the databases' lock", int, ulckpwdf) noexcept { return Releasing(kept_lock, real::ulckpwdf); }

INTERPOSE("opens a database, which libc keeps open", void, setservent, int stay_open) {
  Keeping(kept_servent, real::setservent, stay_open);
}
INTERPOSE("opens a database, which libc keeps open", servent*, getservent) {
  return Keeping(kept_servent, real::getservent);
}
INTERPOSE("opens a database, which libc keeps open", int, getservent_r, servent* entry, char* buffer, size_t size,
          servent** result) {
  return Keeping(kept_servent, real::getservent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endservent) { Releasing(kept_servent, real::endservent); }

INTERPOSE("opens a database, which libc keeps open", void, sethostent, int stay_open) {
  Keeping(kept_hostent, real::sethostent, stay_open);
}
INTERPOSE("opens a database, which libc keeps open", hostent*, gethostent) {
  return Keeping(kept_hostent, real::gethostent);
}
INTERPOSE("opens a database, which libc keeps open", int, gethostent_r, hostent* entry, char* buffer, size_t size,
          hostent** result, int* error) {
  return Keeping(kept_hostent, real::gethostent_r, entry, buffer, size, result, error);
}
INTERPOSE("closes what libc keeps of a database", void, endhostent) { Releasing(kept_hostent, real::endhostent); }

INTERPOSE("opens a database, which libc keeps open", void, setprotoent, int stay_open) {
  Keeping(kept_protoent, real::setprotoent, stay_open);
}
INTERPOSE("opens a database, which libc keeps open", protoent*, getprotoent) {
  return Keeping(kept_protoent, real::getprotoent);
}
INTERPOSE("opens a database, which libc keeps open", int, getprotoent_r, protoent* entry, char* buffer, size_t size,
          protoent** result) {
  return Keeping(kept_protoent, real::getprotoent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endprotoent) { Releasing(kept_protoent, real::endprotoent); }

INTERPOSE("opens a database, which libc keeps open", void, setnetent, int stay_open) {
  Keeping(kept_netent, real::setnetent, stay_open);
}
INTERPOSE("opens a database, which libc keeps open", netent*, getnetent) {
  return Keeping(kept_netent, real::getnetent);
}
INTERPOSE("opens a database, which libc keeps open", int, getnetent_r, netent* entry, char* buffer, size_t size,
          netent** result, int* error) {
  return Keeping(kept_netent, real::getnetent_r, entry, buffer, size, result, error);
}
INTERPOSE("closes what libc keeps of a database", void, endnetent) { Releasing(kept_netent, real::endnetent); }

INTERPOSE("opens a database, which libc keeps open", void, setrpcent, int stay_open) {
  Keeping(kept_rpcent, real::setrpcent, stay_open);
}
INTERPOSE("opens a database, which libc keeps open", rpcent*, getrpcent) {
  return Keeping(kept_rpcent, real::getrpcent);
}
INTERPOSE("opens a database, which libc keeps open", int, getrpcent_r, rpcent* entry, char* buffer, size_t size,
          rpcent** result) {
  return Keeping(kept_rpcent, real::getrpcent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endrpcent) { Releasing(kept_rpcent, real::endrpcent); }

INTERPOSE("opens a database, which libc keeps open", void, setaliasent) { Keeping(kept_aliasent, real::setaliasent); }
INTERPOSE("opens a database, which libc keeps open", aliasent*, getaliasent) {
  return Keeping(kept_aliasent, real::getaliasent);
}
INTERPOSE("opens a database, which libc keeps open", int, getaliasent_r, aliasent* entry, char* buffer, size_t size,
          aliasent** result) {
  return Keeping(kept_aliasent, real::getaliasent_r, entry, buffer, size, result);
}
INTERPOSE("closes what libc keeps of a database", void, endaliasent) { Releasing(kept_aliasent, real::endaliasent); }

INTERPOSE("opens a database, which libc keeps open", void, setutent) noexcept { Keeping(kept_utmp, real::setutent); }
INTERPOSE("opens a database, which libc keeps open", utmp*, getutent) noexcept {
  return Keeping(kept_utmp, real::getutent);
}
INTERPOSE("opens a database, which libc keeps open", utmp*, getutid, const utmp* wanted) noexcept {
  return Keeping(kept_utmp, real::getutid, wanted);
}
INTERPOSE("opens a database, which libc keeps open", utmp*, getutline, const utmp* wanted) noexcept {
  return Keeping(kept_utmp, real::getutline, wanted);
}
INTERPOSE("opens a database, which libc keeps open", utmp*, pututline, const utmp* entry) noexcept {
  return Keeping(kept_utmp, real::pututline, entry);
}
INTERPOSE("closes what libc keeps of a database", void, endutent) noexcept { Releasing(kept_utmp, real::endutent); }
INTERPOSE("closes what libc keeps of a database", int, utmpname, const char* file) noexcept {
  return Releasing(kept_utmp, real::utmpname, file);
}
INTERPOSE("opens a database, which libc keeps open", void, setutxent) { Keeping(kept_utmp, real::setutxent); }
INTERPOSE("opens a database, which libc keeps open", utmpx*, getutxent) { return Keeping(kept_utmp, real::getutxent); }
INTERPOSE("opens a database, which libc keeps open", utmpx*, getutxid, const utmpx* wanted) {
  return Keeping(kept_utmp, real::getutxid, wanted);
}
INTERPOSE("opens a database, which libc keeps open", utmpx*, getutxline, const utmpx* wanted) {
  return Keeping(kept_utmp, real::getutxline, wanted);
}
INTERPOSE("opens a database, which libc keeps open", utmpx*, pututxline, const utmpx* entry) {
  return Keeping(kept_utmp, real::pututxline, entry);
}
INTERPOSE("closes what libc keeps of a database", void, endutxent) { Releasing(kept_utmp, real::endutxent); }
INTERPOSE("closes what libc keeps of a database", int, utmpxname, const char* file) {
  return Releasing(kept_utmp, real::utmpxname, file);
}
INTERPOSE("opens a database, which libc keeps open", int, getutent_r, utmp* entry, utmp** result) noexcept {
  return Keeping(kept_utmp, real::getutent_r, entry, result);
}
INTERPOSE("opens a database, which libc keeps open", int, getutid_r, const utmp* wanted, utmp* entry, utmp** result)
noexcept {
  return Keeping(kept_utmp, real::getutid_r, wanted, entry, result);
}
INTERPOSE("opens a database, which libc keeps open", int, getutline_r, const utmp* wanted, utmp* entry, utmp** result)
noexcept {
  return Keeping(kept_utmp, real::getutline_r, wanted, entry, result);
}
INTERPOSE("may close what libc keeps of a database", void, login, const utmp* entry) noexcept {
  Keeping(kept_utmp, real::login, entry);
}
INTERPOSE("may close what libc keeps of a database", int, logout, const char* line) noexcept {
  return Keeping(kept_utmp, real::logout, line);
}

INTERPOSE("opens a database, which libc keeps open", int, setfsent) noexcept {
  return Keeping(kept_fstab, real::setfsent);
}
INTERPOSE("opens a database, which libc keeps open", struct fstab*, getfsent) noexcept {
  return Keeping(kept_fstab, real::getfsent);
}
INTERPOSE("opens a database, which libc keeps open", struct fstab*, getfsspec, const char* name) noexcept {
  return Keeping(kept_fstab, real::getfsspec, name);
}
INTERPOSE("opens a database, which libc keeps open", struct fstab*, getfsfile, const char* name) noexcept {
  return Keeping(kept_fstab, real::getfsfile, name);
}
INTERPOSE("closes what libc keeps of a database", void, endfsent) noexcept { Releasing(kept_fstab, real::endfsent); }

INTERPOSE("opens a database, which libc keeps open", int, setttyent) noexcept {
  return Keeping(kept_ttys, real::setttyent);
}
INTERPOSE("opens a database, which libc keeps open", struct ttyent*, getttyent) noexcept {
  return Keeping(kept_ttys, real::getttyent);
}
INTERPOSE("closes what libc keeps of a database", struct ttyent*, getttynam, const char* name) noexcept {
  return Releasing(kept_ttys, real::getttynam, name);
}
INTERPOSE("closes what libc keeps of a database", int, endttyent) noexcept {
  return Releasing(kept_ttys, real::endttyent);
}
