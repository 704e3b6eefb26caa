// See code.h.

#include "shim/runtimes/python/code.h"

#include "shim/base/large.h"
#include "shim/base/number_cache.h"
#include "shim/base/text.h"
#include "shim/runtimes/python/line_table.h"
#include "shim/runtimes/python/memory.h"
#include "shim/runtimes/python/str.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim::python {
namespace {

using trace::PythonCode;
using trace::RegionKind;

FDAUDIT_LARGE constinit NumberCache<1024> cached_codes;  ///< address and identity of a code object → its number

constexpr size_t kMaxFile = 512;
constexpr size_t kMaxFunction = 256;

void Fill(PythonCode* record, uint32_t first_line, const TextBuilder& file, const TextBuilder& function) {
  if (Atomic(record->ready).load(std::memory_order_acquire) != 0) return;
  // Several may fill it at once, or again after one was killed half-way: all texts are the same.
  record->first_line = first_line;
  record->file = recorder.AddText(file.text(), file.size());
  record->function = recorder.AddText(function.text(), function.size());
  Atomic(record->ready).store(1, std::memory_order_release);
}

/// Number of the code object in the trace; 0 = no room.
uint32_t Intern(uint32_t first_line, const TextBuilder& file, const TextBuilder& function) {
  uint64_t key = HashBytes(function.text(), function.size(), HashBytes(file.text(), file.size()) + first_line);
  if (key == 0) key = 1;
  trace::Region& region = recorder.region(RegionKind::kPythonCode);
  for (uint32_t probe = 0; probe < kTableProbes; ++probe) {
    const uint64_t index = recorder.TablePlace(RegionKind::kPythonCode, key, probe);
    if (!recorder.Back(RegionKind::kPythonCode, index)) break;
    auto* record = recorder.At<PythonCode>(RegionKind::kPythonCode, index);
    uint64_t found = 0;
    if (Atomic(record->key).compare_exchange_strong(found, key)) {
      Atomic(region.used).fetch_add(1, std::memory_order_relaxed);
      found = key;
    }
    if (found != key) continue;
    Fill(record, first_line, file, function);
    return static_cast<uint32_t>(index) + 1;
  }
  recorder.NoteLost(RegionKind::kPythonCode);
  return 0;
}

/// Kept out of the caller's stack frame: threads may have 16 KB.
template <typename Memory>
__attribute__((noinline)) uint32_t InternCode(uintptr_t code) {
  const Layout& layout = interpreter.layout;
  char file[kMaxFile];
  char function[kMaxFunction];
  TextBuilder file_text(file, sizeof file);
  TextBuilder function_text(function, sizeof function);
  AddStr<Memory>(layout, Load<Memory>(code + layout.code_file), &file_text);
  AddStr<Memory>(layout, Load<Memory>(code + layout.code_name), &function_text);
  return Intern(Load<Memory, uint32_t>(code + layout.code_first_line), file_text, function_text);
}

template <typename Memory>
uint32_t Line(const PythonFrame& frame) {
  const Layout& layout = interpreter.layout;
  const uintptr_t table = Load<Memory>(frame.code + layout.code_table);
  const TableReader<Memory> reader(table + kBytesDataOffset, Load<Memory>(table + kSizeOffset));
  const auto first_line = static_cast<int32_t>(Load<Memory, uint32_t>(frame.code + layout.code_first_line));
  const int64_t line =
      LineAt(layout.lines, reader, InstructionOffset(layout, frame.code, frame.instruction), first_line);
  return line > 0 && line < int64_t{1} << trace::kPythonLineBits ? static_cast<uint32_t>(line) : 0;
}

}  // namespace

uint32_t LineOf(const PythonFrame& frame, bool guarded) { return guarded ? Line<Guarded>(frame) : Line<Direct>(frame); }

uint64_t FrameWord(const PythonFrame& frame, bool guarded) {
  // The same function is the same code, wherever in it the frame is.
  const uint64_t key = Identity(frame.code, guarded) ^ frame.code << 8;
  uint64_t number = cached_codes.Find(key);
  if (number == 0) {
    number = guarded ? InternCode<Guarded>(frame.code) : InternCode<Direct>(frame.code);
    if (number != 0) cached_codes.Remember(key, number);
  }
  return trace::kPythonFrame << trace::kFrameOffsetBits | uint64_t{LineOf(frame, guarded)} << trace::kPythonCodeBits |
         number;
}

}  // namespace fdaudit::shim::python
