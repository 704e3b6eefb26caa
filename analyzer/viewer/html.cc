#include "analyzer/viewer/html.h"

#include "analyzer/output/escape.h"
#include "analyzer/output/json/text.h"

namespace fdaudit::analyzer {

Html& Html::Text(std::string_view text) {
  for (const char c : EscapeControls(text)) {
    switch (c) {
      case '&':
        out_ += "&amp;";
        break;
      case '<':
        out_ += "&lt;";
        break;
      case '>':
        out_ += "&gt;";
        break;
      case '"':
        out_ += "&quot;";
        break;
      case '\'':
        out_ += "&#39;";
        break;
      default:
        out_ += c;
    }
  }
  return *this;
}

std::string ScriptJson(const JsonValue& json) {
  std::string out;
  const auto send = [&](JsonEvents* to) { json.Send(to); };
  for (const char c : JsonString(JsonText::Layout::kCompact, send)) {
    if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "\\u003c" : c == '>' ? "\\u003e" : "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace fdaudit::analyzer
