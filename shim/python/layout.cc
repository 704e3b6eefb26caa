// See layout.h.

#include "shim/python/layout.h"

#include <cstring>

namespace fdaudit::shim::python {
namespace {

// From the headers of each version, for 64-bit builds without Py_TRACE_REFS.
constexpr Layout kLayouts[] = {
    {.minor = 11,
     .entry = Entry::kMarked,
     .lines = LineTable::kLocations,
     .pointer_tag = 0,
     .first_entry_owner = 0,
     .thread_id = 152,
     .chain = 56,
     .current_frame = 8,
     .chain_previous = 16,
     .frame_code = 32,
     .frame_previous = 48,
     .frame_instruction = 56,
     .frame_entry = 68,
     .frame_owner = 69,
     .code_file = 112,
     .code_name = 128,
     .code_table = 136,
     .code_first_line = 72,
     .code_first_traceable = 168,
     .code_instructions = 184,
     .str_kind_shift = 2,
     .ascii_data = 48,
     .compact_data = 72},
};

}  // namespace

bool FindLayout(const char* /*runtime*/, uint32_t major, uint32_t minor, Layout* out) {
  if (major != 3) return false;
  for (const Layout& layout : kLayouts) {
    if (layout.minor != minor) continue;
    *out = layout;
    return true;
  }
  return false;
}

}  // namespace fdaudit::shim::python
