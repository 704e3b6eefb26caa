#include "analyzer/output/json/text.h"

#include <fmt/core.h>

#include <cmath>

#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kBuffer = 64 << 10;
constexpr size_t kIndent = 2;

/// RFC 8259 §7: what may not stand in a string as it is. The letter behind the backslash; 'u': \u00XX; 0: none.
char EscapeOf(unsigned char byte) {
  switch (byte) {
    case '"':
    case '\\':
      return static_cast<char>(byte);
    case '\b':
      return 'b';
    case '\t':
      return 't';
    case '\n':
      return 'n';
    case '\f':
      return 'f';
    case '\r':
      return 'r';
    default:
      return byte < 0x20 ? 'u' : '\0';
  }
}

}  // namespace

void JsonText::Flush() {
  sink_(buffer_);
  buffer_.clear();
}

void JsonText::NewLine() {
  if (layout_ == Layout::kCompact) return;
  buffer_ += '\n';
  buffer_.append(depth_ * kIndent, ' ');
}

/// Before a member's name, and before an element.
void JsonText::Separate() {
  if (follows_name_) {
    follows_name_ = false;
    return;
  }
  if (depth_ == 0) return;
  if (buffer_.size() >= kBuffer) Flush();
  if (!is_first_) buffer_ += ',';
  is_first_ = false;
  NewLine();
}

void JsonText::Begin(char bracket) {
  Separate();
  buffer_ += bracket;
  ++depth_;
  is_first_ = true;
}

void JsonText::End(char bracket) {
  --depth_;
  if (!is_first_) NewLine();
  is_first_ = false;
  buffer_ += bracket;
  if (depth_ == 0) Flush();
}

void JsonText::Name(std::string_view name) {
  Separate();
  Quote(name);
  buffer_ += layout_ == Layout::kCompact ? ":" : ": ";
  follows_name_ = true;
}

void JsonText::Scalar(std::string_view text) {
  Separate();
  buffer_ += text;
  if (depth_ == 0) Flush();
}

void JsonText::Integer(int64_t value) { Scalar(std::to_string(value)); }
void JsonText::Count(uint64_t value) { Scalar(std::to_string(value)); }

void JsonText::Real(double value) {
  if (!std::isfinite(value)) return Null();
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  Scalar(text);
}

void JsonText::Text(std::string_view text) {
  Separate();
  Quote(text);
  if (depth_ == 0) Flush();
}

void JsonText::Quote(std::string_view text) {
  buffer_ += '"';
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text.substr(i));
    const char escape = EscapeOf(static_cast<unsigned char>(text[i]));
    if (length == 0) {
      buffer_ += "\xef\xbf\xbd";
    } else if (escape == 'u') {
      buffer_ += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[i]));
    } else if (escape != '\0') {
      (buffer_ += '\\') += escape;
    } else {
      buffer_ += text.substr(i, length);
    }
    i += length == 0 ? 1 : length;
  }
  buffer_ += '"';
}

}  // namespace fdaudit::analyzer
