#pragma once

// The text of a Python str, as UTF-8. Lone surrogates that stand for a path's undecodable bytes (PEP 383) become these
// bytes again. Pure computation.

#include <cstdint>

#include "shim/python/layout.h"
#include "shim/python/line_table.h"
#include "shim/python/memory.h"
#include "shim/text.h"

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

/// Appends a str's text; the end of one that is too long.
template <typename Memory>
void AddStr(const Layout& layout, uintptr_t text, TextBuilder* out) {
  const auto state = Load<Memory, uint32_t>(text + kStrStateOffset);
  const auto length = Load<Memory>(text + kSizeOffset);
  const uint32_t kind = state >> layout.str_kind_shift & 7;
  const bool compact = (state >> (layout.str_kind_shift + 3) & 1) != 0;
  const bool ascii = (state >> (layout.str_kind_shift + 4) & 1) != 0;
  if (!compact || (kind != 1 && kind != 2 && kind != 4)) return;
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
