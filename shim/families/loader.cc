// The dynamic linker: which code lies at which address.

#include <dlfcn.h>

#include "shim/events/events.h"
#include "shim/stack/table.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

#if defined(__x86_64__)

INTERPOSE_BY_HAND("maps a module", void*, dlopen, const char* file, int mode)

/// The jump's target (shim/arch/x86_64.S). What dlopen maps is found when an address of it is first met.
extern "C" __attribute__((visibility("hidden"))) void* FdauditBeforeDlopen() {
  real::dlopen.Find();
  return real::dlopen.pointer;
}

#endif

INTERPOSE("unmaps a module", int, dlclose, void* handle) noexcept {
  const int result = real::dlclose(handle);
  ForgetAddresses();
  return result;
}
