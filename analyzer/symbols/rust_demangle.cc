#include "analyzer/symbols/rust_demangle.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "analyzer/symbols/punycode.h"
#include "analyzer/symbols/rust_v0.h"

namespace fdaudit::analyzer {
namespace {

bool IsHash(std::string_view part) {
  return part.size() == 17 && part[0] == 'h' && std::all_of(part.begin() + 1, part.end(), [](unsigned char c) {
           return std::isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

// What stands between two '$' signs: a name for a sign, or "u7e" for a code point. Empty where it is neither.
std::string Unescape(std::string_view code) {
  static constexpr struct {
    std::string_view code, text;
  } kCodes[] = {{"SP", "@"}, {"BP", "*"}, {"RF", "&"}, {"LT", "<"}, {"GT", ">"}, {"LP", "("}, {"RP", ")"}, {"C", ","}};
  for (const auto& known : kCodes) {
    if (code == known.code) return std::string(known.text);
  }
  if (code.size() < 2 || code.size() > 7 || code[0] != 'u') return "";
  uint32_t point = 0;
  for (char c : code.substr(1)) {
    if (!std::isxdigit(static_cast<unsigned char>(c))) return "";
    point =
        point * 16 + static_cast<uint32_t>(std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 32) - 'a' + 10);
  }
  std::string text;
  return point >= ' ' && AppendUtf8(point, &text) ? text : "";
}

std::string DecodePart(std::string_view part) {
  if (part.starts_with("_$")) part.remove_prefix(1);
  std::string text;
  while (!part.empty()) {
    size_t length = 1;
    std::string piece(1, part[0]);
    size_t end = part[0] == '$' ? part.find('$', 1) : std::string_view::npos;
    if (end != std::string_view::npos) {
      if (std::string sign = Unescape(part.substr(1, end - 1)); !sign.empty()) {
        piece = sign;
        length = end + 1;
      }
    } else if (part.starts_with("..")) {
      piece = "::";
      length = 2;
    }
    text += piece;
    part.remove_prefix(length);
  }
  return text;
}

// "3foo3bar17h0123456789abcdefE…"
std::optional<std::string> DemangleLegacy(std::string_view rest) {
  std::string result, part;
  while (!rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0]))) {
    size_t length = 0;
    while (!rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0])) && length <= rest.size()) {
      length = length * 10 + static_cast<size_t>(rest[0] - '0');
      rest.remove_prefix(1);
    }
    if (length == 0 || length > rest.size()) return std::nullopt;
    if (!part.empty()) result += (result.empty() ? "" : "::") + DecodePart(part);
    part = rest.substr(0, length);
    rest.remove_prefix(length);
  }
  if (!rest.starts_with('E') || !IsHash(part) || result.empty()) return std::nullopt;
  return result;
}

}  // namespace

std::optional<std::string> DemangleRust(std::string_view symbol) {
  if (symbol.starts_with("_ZN")) return DemangleLegacy(symbol.substr(3));
  if (symbol.starts_with("_R")) return DemangleRustV0(symbol.substr(2));
  return std::nullopt;
}

}  // namespace fdaudit::analyzer
