// Memory: nameless files of it, POSIX shared memory, and what locks it.

#include <sys/mman.h>

#include "shim/events/events.h"
#include "shim/events/memory_lock.h"
#include "shim/families/new_descriptors.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

INTERPOSE("opens nameless memory", int, memfd_create, const char* name, unsigned int flags) noexcept {
  return Opened([=](TargetText& text) { return NewMemoryFile(name, flags, text); }, real::memfd_create, name, flags);
}
INTERPOSE("opens shared memory", int, shm_open, const char* name, int flags, mode_t mode) {
  return Opened([=](TargetText& text) { return NewSharedMemory(name, text); }, real::shm_open, name, flags, mode);
}

INTERPOSE("locks the program's memory, without the trace", int, mlockall, int flags) noexcept {
  return LockedAll(flags, real::mlockall, flags);
}
