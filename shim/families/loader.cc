// The dynamic linker: which code lies at which address.

#include <dlfcn.h>

#include "shim/events/events.h"
#include "shim/interpose/real_functions.h"
#include "shim/stack/table.h"

using namespace fdaudit::shim;  // NOLINT: the interposers below are the global namespace's

#if defined(__x86_64__)

INTERPOSE_BY_HAND("maps a module", void*, dlopen, const char* file, int mode)

/// The jump's target (shim/arch/x86_64.S). What dlopen maps is found when an address of it is first met.
extern "C" __attribute__((visibility("hidden"))) void* FdauditBeforeDlopen() {
  real::dlopen.Find();
  return real::dlopen.pointer;
}

INTERPOSE_BY_HAND("looks up; what a handle of libc is asked for is the shim's own where it has it", void*, dlsym,
                  void* handle, const char* name)
INTERPOSE_BY_HAND("looks up; what a handle of libc is asked for is the shim's own where it has it", void*, dlvsym,
                  void* handle, const char* name, const char* version)

/// Either a function to jump to, or a result.
struct LookedUp {
  void* function;
  void* result;
};

/// ctypes.CDLL("libc.so.6"), Ruby's Fiddle and JNA call what they are given here, past all that is preloaded.
extern "C" __attribute__((visibility("hidden"))) LookedUp FdauditLookUp(void* handle, const char* name,
                                                                        const char* version, unsigned is_versioned) {
  RealFunction& real = is_versioned != 0 ? static_cast<RealFunction&>(real::dlvsym) : real::dlsym;
  if (!real.FindByReading()) return {};
  if (handle == RTLD_NEXT || handle == RTLD_DEFAULT) return {real.pointer, nullptr};
  void* found = is_versioned != 0 ? real::dlvsym(handle, name, version) : real::dlsym(handle, name);
  return {nullptr, found == nullptr ? nullptr : OwnInPlaceOf(name, found)};
}

#endif

INTERPOSE("unmaps a module", int, dlclose, void* handle) noexcept {
  const int result = real::dlclose(handle);
  ForgetAddresses();
  return result;
}
