#pragma once

// The text of a Python str, as UTF-8. Lone surrogates that stand for a path's undecodable bytes (PEP 383) become these
// bytes again. Pure computation.

#include <cstdint>

#include "shim/base/text.h"
#include "shim/runtimes/python/layout.h"
#include "shim/runtimes/python/line_table.h"
#include "shim/runtimes/python/memory.h"

namespace fdaudit::shim::python {

inline void AddCharacter(uint32_t character, TextBuilder* out) {
  char bytes[4];
  size_t size = 0;
  const auto put = [&](uint32_t byte) { bytes[size++] = static_cast<char>(byte); };
  if (character >= 0xdc80 && character <= 0xdcff) {
    put(character & 0xff);
  } else if (character < 0x80) {
    put(character);
  } else if (character < 0x800) {
    put(0xc0 | character >> 6);
    put(0x80 | (character & 0x3f));
  } else if (character < 0x10000) {
    put(0xe0 | character >> 12);
    put(0x80 | (character >> 6 & 0x3f));
    put(0x80 | (character & 0x3f));
  } else {
    put(0xf0 | character >> 18);
    put(0x80 | (character >> 12 & 0x3f));
    put(0x80 | (character >> 6 & 0x3f));
    put(0x80 | (character & 0x3f));
  }
  out->Add(bytes, size);
}

/// What a str's state says: bits of kind (bytes a character), then one each for compact and ASCII. Versions differ in
/// how many bits lie before; those are small numbers, so that there is but one place where a kind can be read.
struct StrForm {
  uint32_t kind = 0;  ///< 0 = not a form that is read here
  bool ascii = false;

  explicit StrForm(uint32_t state) {
    for (const uint32_t shift : {2, 8, 16}) {
      const uint32_t bits = state >> shift;
      const uint32_t found = bits & 7;
      if ((found != 1 && found != 2 && found != 4) || (bits >> 3 & 1) == 0) continue;
      kind = found;
      ascii = (bits >> 4 & 1) != 0;
      return;
    }
  }
};

/// Appends a str's text; the end of one that is too long.
template <typename Memory>
void AddStr(const Layout& layout, uintptr_t text, TextBuilder* out) {
  const StrForm form(Load<Memory, uint32_t>(text + kStrStateOffset));
  const auto length = Load<Memory>(text + kSizeOffset);
  const auto [kind, ascii] = form;
  if (kind == 0) return;
  const uintptr_t data = text + (ascii ? layout.ascii_data : layout.compact_data);
  const uint64_t room = (out->capacity() - out->size() - 4) / (ascii ? 1 : 4);
  uint64_t i = 0;
  if (length > room) {
    out->Add("...");
    i = length - room + 3;
  }
  const TableReader<Memory> bytes(data, length * kind);
  for (; i < length; ++i) {
    uint32_t character = 0;
    for (uint32_t byte = 0; byte < kind; ++byte) character |= uint32_t{bytes.At(i * kind + byte)} << 8 * byte;
    AddCharacter(character, out);
  }
}

}  // namespace fdaudit::shim::python
