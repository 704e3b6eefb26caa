#pragma once

// JSON as text, piece by piece: a document of any size takes a buffer's memory.

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "analyzer/output/json/events.h"

namespace fdaudit::analyzer {

/// Takes a text piece by piece.
using Sink = std::function<void(std::string_view)>;

/// The sink has everything when the outermost object or list has ended. Texts are valid UTF-8 by contract (RepairUtf8);
/// a byte that is not becomes U+FFFD, so that the document is valid JSON whatever happens. Numbers are the shortest
/// that read back as the same; a fraction stays one ("1.0"); what is no number becomes null.
class JsonText : public JsonEvents {
 public:
  enum class Layout { kIndented, kCompact };

  explicit JsonText(Sink sink, Layout layout = Layout::kIndented) : sink_(std::move(sink)), layout_(layout) {}

  void BeginObject() override { Begin('{'); }
  void EndObject() override { End('}'); }
  void BeginList() override { Begin('['); }
  void EndList() override { End(']'); }
  void Name(std::string_view name) override;
  void Null() override { Scalar("null"); }
  void Boolean(bool value) override { Scalar(value ? "true" : "false"); }
  void Integer(int64_t value) override;
  void Count(uint64_t value) override;
  void Real(double value) override;
  void Text(std::string_view text) override;

 private:
  void Begin(char bracket);
  void End(char bracket);
  void Scalar(std::string_view text);
  void Separate();
  void NewLine();
  void Quote(std::string_view text);
  void Flush();

  Sink sink_;
  Layout layout_;
  std::string buffer_;
  size_t depth_ = 0;
  bool is_first_ = true;  // in the innermost object or list
  bool follows_name_ = false;
};

/// What `write` sends, as one text.
template <typename Write>
std::string JsonString(JsonText::Layout layout, Write write) {
  std::string text;
  JsonText out([&text](std::string_view piece) { text += piece; }, layout);
  write(&out);
  return text;
}

}  // namespace fdaudit::analyzer
