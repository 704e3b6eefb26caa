// See real_functions.h. dlsym may allocate, and must not be called first in a signal handler or a vfork child: what
// needs it is looked up by the shim's constructor. All else is found at its first call, by reading the tables of
// libraries that are never unmapped. Finding all at once would take 30 µs of every exec'd program.

#include "shim/interpose/real_functions.h"

#include "shim/base/dynamic_linker.h"
#include "shim/base/large.h"
#include "shim/base/text.h"
#include "shim/interpose/interpose.h"
#include "shim/interpose/libraries_behind.h"

namespace fdaudit::shim {
namespace {

FDAUDIT_LARGE constinit LibrariesBehind libraries_behind;

}  // namespace

bool RealFunction::FindBehind() {
  void* found = libraries_behind.Find(name, hash, version);
  if (found == nullptr) return false;
  __atomic_store_n(&pointer, found, __ATOMIC_RELAXED);
  return true;
}

bool RealFunction::FindByReading() {
  if (Known()) return true;
  void* found = LookUpByReading(name, hash, version);
  __atomic_store_n(&pointer, found, __ATOMIC_RELAXED);
  return found != nullptr;
}

void* OwnInPlaceOf(const char* name, void* found) {
  SymbolTable own;
  const uint32_t hash = GnuHash(name);
  if (!ReadShim(&own) || own.Find(name, hash, "") == nullptr) return found;
  for (RealFunction* row = __start_fdaudit_calls; row != __stop_fdaudit_calls; ++row) {
    if (row->hash != hash || !IsSame(row->name, name) || !row->Known() || row->pointer != found) continue;
    void* exported = own.Find(name, hash, row->version);
    return exported == nullptr ? found : exported;
  }
  return found;
}

bool RealFunction::AskLinker() {
  void* found = LookUpNext(name, hash, version);
  __atomic_store_n(&pointer, found, __ATOMIC_RELAXED);
  return found != nullptr;
}

void PrepareRealFunctions(bool by_reading) {
  if (by_reading) libraries_behind.Read();
  if (libraries_behind.complete()) return;
  for (RealFunction* row = __start_fdaudit_calls; row != __stop_fdaudit_calls; ++row) row->Find();
  // What libc lacks would show up in the program's first dlerror(3). A look-up that succeeds clears that.
  static_cast<void>(LookUp(RTLD_NEXT, "close"));
}

bool LibcIsOneLibrary() { return libraries_behind.complete(); }

void FindWhatChildrenCall() {
  constexpr uint32_t kCalls[] = {GnuHash("close"), GnuHash("dup2"), GnuHash("execve"), GnuHash("_exit")};
  static constinit bool found = false;
  if (found) return;
  found = true;
  for (RealFunction* row = __start_fdaudit_calls; row != __stop_fdaudit_calls; ++row) {
    for (const uint32_t hash : kCalls) {
      if (row->hash == hash) row->Known();
    }
  }
}

}  // namespace fdaudit::shim
