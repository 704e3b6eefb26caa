#pragma once

// What the shim asks the dynamic linker. dlsym and the like moved from libdl into libc with glibc 2.34. The shim asks
// for their first version and weakly: so it is loaded by older glibcs too, where they are there only in programs that
// use libdl themselves, and without needing libdl, which costs every exec'd program a library more.

#include <dlfcn.h>

#include <cstdint>

#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver dlsym, dlsym@GLIBC_2.2.5");
__asm__(".symver dlvsym, dlvsym@GLIBC_2.2.5");
#endif

#pragma weak dlsym
extern "C" __attribute__((weak)) void* dlvsym(void*, const char*, const char*) noexcept;  // musl has none

namespace fdaudit::shim {

/// dlsym(3); nullptr also where the program has none. What is not found doesn't show up in the program's next
/// dlerror(3).
void* LookUp(void* where, const char* name);

/// dlsym(RTLD_NEXT), or dlvsym where `version` isn't "". Where they are missing, the symbol tables are read.
void* LookUpNext(const char* name, uint32_t hash, const char* version);

/// The same, without a call.
void* LookUpByReading(const char* name, uint32_t hash, const char* version);

/// The path from which the shim was loaded; "" where unknown.
const char* PathOfShim();

}  // namespace fdaudit::shim
