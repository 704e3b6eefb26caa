#include "analyzer/symbols/punycode.h"

#include <limits>
#include <vector>

namespace fdaudit::analyzer {
namespace {

// RFC 3492, section 5.
constexpr uint32_t kBase = 36, kMinThreshold = 1, kMaxThreshold = 26, kSkew = 38, kFirstDamp = 700;
constexpr uint32_t kInitialBias = 72, kInitialPoint = 128, kMaxPoint = 0x10FFFF;

uint32_t Threshold(uint32_t place, uint32_t bias) {
  if (place <= bias) return kMinThreshold;
  return place >= bias + kMaxThreshold ? kMaxThreshold : place - bias;
}

// The next number of variable length; nothing where the text is damaged.
std::optional<uint64_t> ReadNumber(std::string_view* text, uint32_t bias) {
  uint64_t number = 0, weight = 1;
  for (uint32_t place = kBase;; place += kBase) {
    if (text->empty() || weight > std::numeric_limits<uint32_t>::max()) return std::nullopt;
    char c = text->front();
    text->remove_prefix(1);
    bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'z')) return std::nullopt;
    uint32_t digit = static_cast<uint32_t>(is_digit ? c - '0' + 26 : c - 'a');
    number += digit * weight;
    uint32_t threshold = Threshold(place, bias);
    if (digit < threshold) return number;
    weight *= kBase - threshold;
  }
}

uint32_t NextBias(uint64_t number, uint64_t count, bool is_first) {
  uint64_t delta = number / (is_first ? kFirstDamp : 2);
  delta += delta / count;
  uint32_t bias = 0;
  for (; delta > (kBase - kMinThreshold) * kMaxThreshold / 2; bias += kBase) delta /= kBase - kMinThreshold;
  return bias + static_cast<uint32_t>((kBase - kMinThreshold + 1) * delta / (delta + kSkew));
}

}  // namespace

// The ASCII letters come first, then numbers that say which others to insert where.
std::optional<std::string> DecodePunycode(std::string_view text) {
  std::vector<uint32_t> points;
  if (size_t last = text.rfind('_'); last != std::string_view::npos) {
    points.assign(text.begin(), text.begin() + static_cast<ptrdiff_t>(last));
    text.remove_prefix(last + 1);
  }
  uint64_t point = kInitialPoint, place = 0;
  uint32_t bias = kInitialBias;
  for (bool is_first = true; !text.empty(); is_first = false) {
    std::optional<uint64_t> number = ReadNumber(&text, bias);
    if (!number) return std::nullopt;
    uint64_t count = points.size() + 1;
    bias = NextBias(*number, count, is_first);
    place += *number;
    point += place / count;
    place %= count;
    if (point > kMaxPoint) return std::nullopt;
    points.insert(points.begin() + static_cast<ptrdiff_t>(place++), static_cast<uint32_t>(point));
  }
  std::string result;
  for (uint32_t one : points) {
    if (!AppendUtf8(one, &result)) return std::nullopt;
  }
  return result;
}

bool AppendUtf8(uint32_t point, std::string* text) {
  if (point > kMaxPoint || (point >= 0xD800 && point < 0xE000)) return false;
  auto tail = [&](int shift) { *text += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
  if (point < 0x80) {
    *text += static_cast<char>(point);
  } else if (point < 0x800) {
    *text += static_cast<char>(0xC0 | point >> 6);
    tail(0);
  } else if (point < 0x10000) {
    *text += static_cast<char>(0xE0 | point >> 12);
    tail(6);
    tail(0);
  } else {
    *text += static_cast<char>(0xF0 | point >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
  return true;
}

}  // namespace fdaudit::analyzer
