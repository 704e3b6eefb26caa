#pragma once

// Where a CPython keeps what a call path needs: offsets into its structures, which no interface of it hands out. Up to
// 3.12 they are a table by version; from 3.13 on the interpreter describes itself. Pure data.

#include <cstddef>
#include <cstdint>

namespace fdaudit::shim::python {

/// How a run of frames that one evaluation on the native stack executes is separated from the next, and where on that
/// stack the evaluation is.
enum class Entry : uint8_t {
  kEachFrame,         ///< 3.9: every frame has an evaluation of its own, whose place is unknown
  kEachFrameInChain,  ///< 3.10: the same; the place is an element of the thread's chain of evaluations
  kMarked,            ///< 3.11: the run's outermost frame is marked; place as for 3.10
  kOnStack,           ///< 3.12: a frame that is no function's ends the run; it lies on the native stack itself
};

/// How a code object maps instructions to lines.
enum class LineTable : uint8_t { kDeltas, kRanges, kLocations };

struct Layout {
  uint16_t minor;  ///< of version 3.minor; 0 = unknown
  Entry entry;
  LineTable lines;
  uint8_t pointer_tag;        ///< bits of a frame's pointer to its code that are none of the address
  uint8_t first_entry_owner;  ///< kOnStack: this owner and those above end a run
  // PyThreadState
  uint16_t thread_id;
  uint16_t chain;          ///< to the chain of evaluations; 0 = none
  uint16_t current_frame;  ///< in the chain's element, or (without one) in the thread state
  uint16_t chain_previous;
  // The frame
  uint16_t frame_code;
  uint16_t frame_previous;
  uint16_t frame_instruction;  ///< a pointer into the code (from 3.11 on), or the index of an instruction (int)
  uint16_t frame_entry;        ///< kMarked: the mark; kOnStack: the owner (one byte)
  uint16_t frame_owner;        ///< 0 = none
  // PyCodeObject
  uint16_t code_file;
  uint16_t code_name;
  uint16_t code_table;
  uint16_t code_first_line;
  uint16_t code_first_traceable;  ///< 0 = every frame counts
  uint16_t code_instructions;     ///< 0 = frame_instruction is an index
  uint16_t code_version;          ///< a number (int) that no other code object ever has; 0 = none
  uint16_t code_warmup;           ///< a counter (short) that is 0 once the code has run some times; 0 = none
  // str
  uint16_t ascii_data;    ///< of a str that is all ASCII
  uint16_t compact_data;  ///< of others
};

/// What all versions have in common: the heads of str and bytes.
inline constexpr uint32_t kTypeOffset = 8;
inline constexpr uint32_t kSizeOffset = 16;
inline constexpr uint32_t kStrHashOffset = 24;
inline constexpr uint32_t kStrStateOffset = 32;
inline constexpr uint32_t kBytesHashOffset = 24;
inline constexpr uint32_t kBytesDataOffset = 32;
/// FRAME_OWNED_BY_GENERATOR, from 3.11 on.
inline constexpr uint8_t kOwnedByGenerator = 1;

/// From the headers of each version, for 64-bit builds without Py_TRACE_REFS.
inline constexpr Layout kLayouts[] = {
    {.minor = 9,
     .entry = Entry::kEachFrame,
     .lines = LineTable::kDeltas,
     .pointer_tag = 0,
     .first_entry_owner = 0,
     .thread_id = 176,
     .chain = 0,
     .current_frame = 24,
     .chain_previous = 0,
     .frame_code = 32,
     .frame_previous = 24,
     .frame_instruction = 104,
     .frame_entry = 0,
     .frame_owner = 0,
     .code_file = 104,
     .code_name = 112,
     .code_table = 120,
     .code_first_line = 40,
     .code_first_traceable = 0,
     .code_instructions = 0,
     .code_version = 0,
     .code_warmup = 0,
     .ascii_data = 48,
     .compact_data = 72},
    {.minor = 10,
     .entry = Entry::kEachFrameInChain,
     .lines = LineTable::kRanges,
     .pointer_tag = 0,
     .first_entry_owner = 0,
     .thread_id = 176,
     .chain = 48,
     .current_frame = 24,
     .chain_previous = 8,
     .frame_code = 32,
     .frame_previous = 24,
     .frame_instruction = 96,
     .frame_entry = 0,
     .frame_owner = 0,
     .code_file = 104,
     .code_name = 112,
     .code_table = 120,
     .code_first_line = 40,
     .code_first_traceable = 0,
     .code_instructions = 0,
     .code_version = 0,
     .code_warmup = 0,
     .ascii_data = 48,
     .compact_data = 72},
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
     .code_version = 0,
     .code_warmup = 52,
     .ascii_data = 48,
     .compact_data = 72},
    {.minor = 12,
     .entry = Entry::kOnStack,
     .lines = LineTable::kLocations,
     .pointer_tag = 0,
     .first_entry_owner = 3,
     .thread_id = 136,
     .chain = 56,
     .current_frame = 0,
     .chain_previous = 8,
     .frame_code = 0,
     .frame_previous = 8,
     .frame_instruction = 56,
     .frame_entry = 70,
     .frame_owner = 70,
     .code_file = 112,
     .code_name = 128,
     .code_table = 136,
     .code_first_line = 68,
     .code_first_traceable = 176,
     .code_instructions = 192,
     .code_version = 92,
     .code_warmup = 0,
     .ascii_data = 40,
     .compact_data = 56},
};
inline constexpr size_t kIndexOf11 = 2;
static_assert(kLayouts[kIndexOf11].minor == 11);

/// `runtime`: the interpreter's _PyRuntime; `version`: as of Py_Version or Py_GetVersion. False: unknown, or
/// without a global lock.
bool FindLayout(const char* runtime, uint32_t major, uint32_t minor, Layout* out);

}  // namespace fdaudit::shim::python
