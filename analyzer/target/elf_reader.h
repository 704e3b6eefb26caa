#pragma once

// What the kernel and the dynamic linker look at in an ELF program before it runs. Every offset and size in the file is
// taken for a lie until it is checked: the file may be cut short, damaged or made to confuse.

#include <cstdint>
#include <string>
#include <vector>

namespace fdaudit::analyzer {

struct ElfSummary {
  bool is_64_bit = false;
  bool is_little_endian = false;
  uint16_t machine = 0;  ///< e_machine
  uint16_t type = 0;     ///< e_type
  // The rest is read of 64-bit little-endian files only.
  bool is_go = false;               ///< has a Go build ID
  std::string interpreter;          ///< PT_INTERP; empty = none
  std::string soname;               ///< DT_SONAME
  std::vector<std::string> needed;  ///< DT_NEEDED
  std::string damage;               ///< what is wrong with the file, e.g. "its header is cut short"; empty = nothing
};

/// Reads the open file `fd`, which begins with ELF's magic bytes. Never fails otherwise than by `damage`.
ElfSummary ReadElf(int fd);

}  // namespace fdaudit::analyzer
