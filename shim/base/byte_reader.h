#pragma once

// Reads the byte-coded tables of ELF and DWARF within bounds. A read beyond the end yields 0 and clears ok(), so that a
// damaged table ends in "no rule" and never in a fault inside the audited program. Usable in every context.

#include <cstddef>
#include <cstdint>

namespace fdaudit::shim {

class ByteReader {
 public:
  ByteReader(const uint8_t* position, const uint8_t* end) : position_(position), end_(end) {
    if (position_ > end_) Fail();
  }

  bool ok() const { return ok_; }
  bool AtEnd() const { return position_ >= end_; }
  const uint8_t* position() const { return position_; }
  const uint8_t* end() const { return end_; }
  size_t left() const { return static_cast<size_t>(end_ - position_); }

  template <typename T>
  T Read() {
    T value = {};
    if (left() < sizeof(T)) {
      Fail();
    } else {
      __builtin_memcpy(&value, position_, sizeof(T));
      position_ += sizeof(T);
    }
    return value;
  }

  uint64_t ReadUleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = Read<uint8_t>();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    Fail();
    return 0;
  }

  int64_t ReadSleb() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const uint8_t byte = Read<uint8_t>();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift + 7 < 64) value |= ~uint64_t{0} << (shift + 7);
      return static_cast<int64_t>(value);
    }
    Fail();
    return 0;
  }

  void Skip(uint64_t bytes) {
    if (bytes > left()) {
      Fail();
    } else {
      position_ += bytes;
    }
  }

  /// The next `bytes` as a reader of their own; this one goes on behind them.
  ByteReader Take(uint64_t bytes) {
    const uint8_t* start = position_;
    Skip(bytes);
    return ok_ ? ByteReader(start, position_) : ByteReader(end_, end_);
  }

 private:
  void Fail() {
    ok_ = false;
    position_ = end_;
  }

  const uint8_t* position_;
  const uint8_t* end_;
  bool ok_ = true;
};

}  // namespace fdaudit::shim
