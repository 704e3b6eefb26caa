#include "analyzer/output/escape.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace fdaudit::analyzer {
namespace {

constexpr char kHex[] = "0123456789abcdef";

void AppendByte(unsigned char byte, std::string* out) {
  *out += "\\x";
  *out += kHex[byte >> 4];
  *out += kHex[byte & 15];
}

struct Sequence {
  size_t length;  // 0 = not UTF-8
  uint32_t code;
};

/// The character that `text` begins with. Overlong forms, surrogates and what lies beyond U+10FFFF are not UTF-8.
Sequence FirstCharacter(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {1, first};
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {0, 0};
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0, 0};
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return {0, 0};
  return {length, code};
}

/// Characters that a terminal obeys, that reorder what is shown around them, or that are not to be seen: soft hyphen,
/// Arabic letter mark, Mongolian vowel separator, zero-width spaces and joiners, marks and overrides of direction, line
/// and paragraph separators, invisible operators, byte order mark, and tags.
bool IsControl(uint32_t code) {
  struct Range {
    uint32_t first, last;
  };
  static constexpr Range kRanges[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},      {0x61c, 0x61c},
                                      {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f},
                                      {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [code](Range range) { return code >= range.first && code <= range.last; });
}

std::string Repair(std::string_view bytes, bool escape_controls, bool is_raw = true) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size();) {
    const Sequence character = FirstCharacter(bytes.substr(i));
    if (character.length == 0) {
      AppendByte(static_cast<unsigned char>(bytes[i++]), &out);
      continue;
    }
    const bool escape = escape_controls && IsControl(character.code);
    for (size_t end = i + character.length; i < end; ++i) {
      if (escape) {
        AppendByte(static_cast<unsigned char>(bytes[i]), &out);
      } else {
        out += bytes[i];
        if (is_raw && bytes[i] == '\\') out += '\\';
      }
    }
  }
  return out;
}

}  // namespace

size_t CharacterLength(std::string_view text) { return FirstCharacter(text).length; }

std::string RepairUtf8(std::string_view bytes) { return Repair(bytes, false); }

std::string EscapeForTerminal(std::string_view bytes) { return Repair(bytes, true); }

std::string EscapeControls(std::string_view repaired) { return Repair(repaired, true, false); }

std::string RestoreBytes(std::string_view repaired) {
  constexpr std::string_view kDigits(kHex, 16);
  std::string bytes;
  for (size_t i = 0; i < repaired.size(); ++i) {
    const std::string_view rest = repaired.substr(i);
    if (rest.starts_with("\\\\")) {
      bytes += '\\';
      ++i;
    } else if (rest.starts_with("\\x") && rest.size() >= 4 && kDigits.find(rest[2]) != std::string_view::npos &&
               kDigits.find(rest[3]) != std::string_view::npos) {
      bytes += static_cast<char>(kDigits.find(rest[2]) << 4 | kDigits.find(rest[3]));
      i += 3;
    } else {
      bytes += repaired[i];
    }
  }
  return bytes;
}

void AppendJsonString(std::string_view bytes, std::string* out) {
  *out += '"';
  for (const char c : RepairUtf8(bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      *out += "\\u00";
      *out += kHex[byte >> 4];
      *out += kHex[byte & 15];
    } else {
      *out += c;
    }
  }
  *out += '"';
}

}  // namespace fdaudit::analyzer
