#pragma once

// Which of several symbols at one place names it.

#include <cstring>
#include <string_view>

namespace fdaudit::analyzer {

struct SymbolName {
  const char* text;
  bool is_local;

  // Libraries give one function many names (open, __open, __GI___open): what programs call it is the global name with
  // the fewest underscores. The rest of the order only serves to give the same answer each time.
  bool operator<(const SymbolName& other) const {
    if (is_local != other.is_local) return is_local;
    size_t mine = std::strspn(text, "_"), others = std::strspn(other.text, "_");
    if (mine != others) return mine > others;
    size_t length = std::strlen(text), other_length = std::strlen(other.text);
    if (length != other_length) return length > other_length;
    return std::strcmp(text, other.text) > 0;
  }
};

}  // namespace fdaudit::analyzer
