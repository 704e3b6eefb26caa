#pragma once

// The hash of symbol names in DT_GNU_HASH tables. Its name's origin is the GNU linker; there is no other specification.

#include <cstdint>

namespace fdaudit::shim {

constexpr uint32_t GnuHash(const char* name) {
  uint32_t hash = 5381;
  for (; *name != '\0'; ++name) hash = hash * 33 + static_cast<unsigned char>(*name);
  return hash;
}

}  // namespace fdaudit::shim
