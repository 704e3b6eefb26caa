#pragma once

// The table of a code object with the line of each instruction: three formats, 3.9's pairs of deltas
// (co_lnotab), 3.10's ranges and, from 3.11 on, locations (both co_linetable). Pure computation.

#include <cstdint>

#include "shim/runtimes/python/layout.h"
#include "shim/runtimes/python/memory.h"

namespace fdaudit::shim::python {

/// Bytes of a table, a few at a time.
template <typename Memory>
class TableReader {
 public:
  TableReader(uintptr_t start, uint64_t size) : start_(start), size_(size) {}
  uint64_t size() const { return size_; }
  /// 0 behind its end.
  uint8_t At(uint64_t index) const {
    if (index >= size_) return 0;
    if (index < first_ || index >= first_ + count_) Fetch(index);
    return bytes_[index - first_];
  }

 private:
  void Fetch(uint64_t index) const {
    first_ = index;
    count_ = size_ - index < sizeof bytes_ ? size_ - index : sizeof bytes_;
    if (!Memory::Copy(bytes_, start_ + index, count_)) memset(bytes_, 0, sizeof bytes_);
  }

  uintptr_t start_;
  uint64_t size_;
  mutable uint64_t first_ = 0;
  mutable uint64_t count_ = 0;
  mutable uint8_t bytes_[64];
};

/// What Layout::frame_instruction means, in bytes from the first instruction; negative = before it.
inline int64_t InstructionOffset(const Layout& layout, uintptr_t code, uint64_t instruction) {
  if (layout.code_instructions != 0) return static_cast<int64_t>(instruction - code - layout.code_instructions);
  const auto index = static_cast<int32_t>(instruction);
  return layout.lines == LineTable::kRanges ? int64_t{index} * 2 : index;
}

namespace internal {

template <typename Reader>
int64_t DeltaLine(const Reader& table, int64_t offset, int64_t line) {
  int64_t at = 0;
  for (uint64_t i = 0; i + 1 < table.size(); i += 2) {
    at += table.At(i);
    if (at > offset) break;
    line += static_cast<int8_t>(table.At(i + 1));
  }
  return line;
}

template <typename Reader>
int64_t RangeLine(const Reader& table, int64_t offset, int64_t line) {
  constexpr int8_t kNoLine = -128;
  int64_t end = 0;
  for (uint64_t i = 0; i + 1 < table.size(); i += 2) {
    end += table.At(i);
    const auto delta = static_cast<int8_t>(table.At(i + 1));
    if (delta != kNoLine) line += delta;
    if (offset < end) return delta == kNoLine ? 0 : line;
  }
  return 0;
}

/// A variable-length integer: six bits a byte, the lowest first, bit 6 where more follow; the sign is its lowest bit.
template <typename Reader>
int64_t SignedNumber(const Reader& table, uint64_t at) {
  uint64_t number = 0;
  for (int shift = 0; shift < 60; shift += 6) {
    const uint8_t byte = table.At(at++);
    number |= uint64_t{byte & 0x3fu} << shift;
    if ((byte & 0x40) == 0) break;
  }
  const auto magnitude = static_cast<int64_t>(number >> 1);
  return (number & 1) != 0 ? -magnitude : magnitude;
}

/// An entry begins with the one byte that has its highest bit set: kind, and length in instructions of two bytes.
template <typename Reader>
int64_t LocationLine(const Reader& table, int64_t offset, int64_t line) {
  constexpr int kNone = 15, kLong = 14, kNoColumns = 13, kOneLine0 = 10, kOneLine2 = 12;
  int64_t end = 0;
  for (uint64_t i = 0; i < table.size();) {
    const uint8_t head = table.At(i);
    const int kind = head >> 3 & 15;
    if (kind == kLong || kind == kNoColumns) line += SignedNumber(table, i + 1);
    if (kind >= kOneLine0 && kind <= kOneLine2) line += kind - kOneLine0;
    end += ((head & 7) + 1) * 2;
    if (offset < end) return kind == kNone ? 0 : line;
    do ++i;
    while (i < table.size() && (table.At(i) & 0x80) == 0);
  }
  return 0;
}

}  // namespace internal

/// The line of the instruction; 0 = none.
template <typename Reader>
int64_t LineAt(LineTable format, const Reader& table, int64_t offset, int64_t first_line) {
  if (offset < 0) return first_line;
  switch (format) {
    case LineTable::kDeltas:
      return internal::DeltaLine(table, offset, first_line);
    case LineTable::kRanges:
      return internal::RangeLine(table, offset, first_line);
    default:
      return internal::LocationLine(table, offset, first_line);
  }
}

}  // namespace fdaudit::shim::python
