#pragma once

// Where a CPython keeps what a call path needs: offsets into its structures, which no interface of it hands out. Up to
// 3.12 they are a table by version; from 3.13 on the interpreter describes itself. Pure data.

#include <cstdint>

namespace fdaudit::shim::python {

/// How a run of frames that one evaluation on the native stack executes is told from the next, and where on that stack
/// the evaluation is.
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
  // str
  uint16_t ascii_data;    ///< of a str that is all ASCII
  uint16_t compact_data;  ///< of others
};

/// What all versions have in common: the heads of str and bytes.
inline constexpr uint32_t kTypeOffset = 8;
inline constexpr uint32_t kSizeOffset = 16;
inline constexpr uint32_t kStrHashOffset = 24;
inline constexpr uint32_t kStrStateOffset = 32;
inline constexpr uint32_t kBytesDataOffset = 32;
/// FRAME_OWNED_BY_GENERATOR, from 3.11 on.
inline constexpr uint8_t kOwnedByGenerator = 1;

/// `runtime`: the interpreter's _PyRuntime; `version`: as Py_Version or Py_GetVersion tell it. False: unknown, or
/// without a global lock.
bool FindLayout(const char* runtime, uint32_t major, uint32_t minor, Layout* out);

}  // namespace fdaudit::shim::python
