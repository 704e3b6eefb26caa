// What programs declare themselves (fdaudit.h): owners of descriptors, also under Android's names, what is left open on
// purpose, checkpoints. None of these has a real function behind it.

#include <unistd.h>

#include "shim/base/thread_pointer.h"
#include "shim/events/context.h"
#include "shim/events/events.h"
#include "shim/events/report_now.h"
#include "shim/fdaudit.h"
#include "shim/trace/recorder.h"

using namespace fdaudit::shim;  // NOLINT: the functions below are the global namespace's

PROVIDED("closes what a declared owner holds", int, fdaudit_close_with_owner, int fd, uint64_t owner)
PROVIDED("declares a descriptor's owner", void, fdaudit_exchange_owner, int fd, uint64_t expected, uint64_t owner)

namespace fdaudit::shim::real {
extern Real<int(int)> close;  // of families/descriptors.cc
}

namespace {

bool OwnersAreChecked() { return Atomic(owner_error_level).load(std::memory_order_relaxed) != 0; }

__attribute__((always_inline)) inline int CloseWithOwner(int fd, uint64_t owner) {
  const CallSite site = FDAUDIT_CALL_SITE(real::fdaudit_close_with_owner);
  const PendingClose pending = RecordClosing(site, fd);
  const int result = real::close(fd);
  RecordClosed(site, fd, pending, result != -1 ? 0 : LastError(), OwnersAreChecked() ? owner : kItsStream);
  return result;
}

__attribute__((always_inline)) inline void ExchangeOwner(int fd, uint64_t expected, uint64_t owner) {
  RecordOwnerExchanged(FDAUDIT_CALL_SITE(real::fdaudit_exchange_owner), fd, expected, owner, OwnersAreChecked());
}

/// -1 = as it is. Returns the level before.
int SetErrorLevel(int level) {
  return level < 0 ? Atomic(owner_error_level).load() : Atomic(owner_error_level).exchange(level);
}

}  // namespace

FDAUDIT_EXPORT int __fdaudit_close_with_owner(int fd, uint64_t owner) { return CloseWithOwner(fd, owner); }
FDAUDIT_EXPORT void __fdaudit_exchange_owner(int fd, uint64_t expected, uint64_t owner) {
  ExchangeOwner(fd, expected, owner);
}
FDAUDIT_EXPORT uint64_t __fdaudit_get_owner(int fd) { return RecordedOwner(fd); }
FDAUDIT_EXPORT void __fdaudit_leave_open(int fd) { RecordLeftOpen(fd); }
FDAUDIT_EXPORT void __fdaudit_checkpoint(const char* name) { NoteContext(name); }
FDAUDIT_EXPORT int __fdaudit_report_now(const char* path) { return ReportNow(path); }
FDAUDIT_EXPORT int __fdaudit_error_level(int level) { return SetErrorLevel(level); }

// Under Android's names, for programs that declare them themselves. What the header calls by these names are functions
// of its own; these differ from them by their symbols only.
#define FDSAN(result, name, ...)                                                  \
  FDAUDIT_EXPORT result shim_##name(__VA_ARGS__) __asm__("android_fdsan_" #name); \
  result shim_##name(__VA_ARGS__)

FDSAN(int, close_with_tag, int fd, uint64_t tag) { return CloseWithOwner(fd, tag); }
FDSAN(void, exchange_owner_tag, int fd, uint64_t expected, uint64_t tag) { ExchangeOwner(fd, expected, tag); }
FDSAN(uint64_t, get_owner_tag, int fd) { return RecordedOwner(fd); }
FDSAN(uint64_t, create_owner_tag, int type, uint64_t tag) {
  return android_fdsan_create_owner_tag(static_cast<android_fdsan_owner_type>(type), tag);
}
FDSAN(const char*, get_tag_type, uint64_t tag) { return android_fdsan_get_tag_type(tag); }
FDSAN(uint64_t, get_tag_value, uint64_t tag) { return android_fdsan_get_tag_value(tag); }
FDSAN(int, get_error_level, ) { return SetErrorLevel(-1); }
FDSAN(int, set_error_level, int level) { return SetErrorLevel(level); }
FDSAN(int, set_error_level_from_property, int default_level) { return SetErrorLevel(default_level); }
