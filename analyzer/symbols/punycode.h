#pragma once

// Names that are not ASCII, as Rust puts them into symbols.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// Decodes RFC 3492 with '_' for its delimiter, to UTF-8.
std::optional<std::string> DecodePunycode(std::string_view text);

/// Appends a code point; false (and nothing appended) where it is none.
bool AppendUtf8(uint32_t point, std::string* text);

}  // namespace fdaudit::analyzer
