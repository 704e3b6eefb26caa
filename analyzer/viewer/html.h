#pragma once

// Building HTML of hostile texts: everything goes through Text() but the tags that are written in this program.

#include <string>
#include <string_view>

#include "analyzer/output/json/value.h"

namespace fdaudit::analyzer {

class Html {
 public:
  /// Trusted markup.
  Html& Raw(std::string_view markup) {
    out_ += markup;
    return *this;
  }
  /// Text or an attribute's value between double quotes. Control characters and direction overrides become \xNN; valid
  /// UTF-8 is expected, as reports hold it.
  Html& Text(std::string_view text);
  Html& Number(uint64_t number) { return Raw(std::to_string(number)); }

  size_t size() const { return out_.size(); }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

/// JSON that a script element may hold: nothing in it ends the element or begins a comment.
std::string ScriptJson(const JsonValue& json);

}  // namespace fdaudit::analyzer
