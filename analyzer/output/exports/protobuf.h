#pragma once

// The little of protobuf's wire format that writing takes: variable-length integers, strings and messages.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fdaudit::analyzer {

class ProtobufWriter {
 public:
  /// Zero is every number's default, and not written.
  void Number(int field, uint64_t value) {
    if (value == 0) return;
    Tag(field, kVarint);
    Varint(value);
  }
  void Text(int field, std::string_view bytes) {
    Tag(field, kLengthDelimited);
    Varint(bytes.size());
    bytes_ += bytes;
  }
  void Message(int field, const ProtobufWriter& message) { Text(field, message.bytes_); }
  /// A repeated number, packed: zeros are written, since their places count.
  void Numbers(int field, const std::vector<uint64_t>& values) {
    ProtobufWriter packed;
    for (const uint64_t value : values) packed.Varint(value);
    if (!values.empty()) Message(field, packed);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  enum WireType { kVarint = 0, kLengthDelimited = 2 };

  void Tag(int field, WireType type) { Varint(static_cast<uint64_t>(field) << 3 | type); }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace fdaudit::analyzer
