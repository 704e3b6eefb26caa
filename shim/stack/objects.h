#pragma once

// Which mapped ELF object an address belongs to, and what its program headers say. No locks: dl_iterate_phdr(3) takes
// one that a forked child may find held for ever, so glibc's lock-free _dl_find_object (2.35) does the work, and for
// older ones a copy of the link map list. Usable in every context, signal handlers and vfork children included.

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace fdaudit::shim {

/// A mapped ELF object. Valid while the object stays loaded: what lies on the current call path does.
struct Module {
  const link_map* map = nullptr;  ///< nullptr: an object that the dynamic linker does not list (vdso of older glibc)
  uintptr_t map_start = 0;        ///< first byte; the ELF header lies there
  uintptr_t map_end = 0;          ///< one past the last segment
  uintptr_t load_bias = 0;        ///< address less load_bias = ELF virtual address
  uintptr_t eh_frame_hdr = 0;     ///< 0 = none
  const char* name = "";          ///< as the dynamic linker knows it; "" for the executable. Owned by the link map
};

/// Addresses [start, end); empty where start == end.
struct AddressRange {
  uintptr_t start = 0;
  uintptr_t end = 0;
};

/// Fills `module` for the object whose mapping contains `pc`. False: none does (JIT code, or not an address of code).
bool FindModule(uintptr_t pc, Module* module);

/// Before system calls are forbidden: what glibc before 2.35 has mapped is read by some.
void LearnModules();

/// The kernel's vdso, from the auxiliary vector. False: there is none.
bool FindVdso(Module* module);

/// The readable segment of `module` that contains `address`: tables are read within it and nowhere else.
AddressRange ReadableSegment(const Module& module, uintptr_t address);

/// The GNU build ID as it lies in the mapped notes; empty where there is none.
std::span<const uint8_t> BuildId(const Module& module);

/// Describes an ELF image that is mapped at `start` with its load bias, without asking the dynamic linker: for the
/// vdso, and for tools that map a file themselves. False: no valid ELF header, or its program headers lie outside.
bool DescribeImage(uintptr_t start, uintptr_t size_limit, Module* module);

/// Forget copied link maps (for glibc before 2.35): after dlopen and dlclose.
void ForgetModules();

/// For tests: pretend that glibc is older than 2.35.
void UseLinkMapsOnly(bool only);

}  // namespace fdaudit::shim
