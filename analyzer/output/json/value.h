#pragma once

// A JSON document in memory, for what has to be looked at in an order that is not its own: stored reports that are
// merged, and what is rendered from them. It comes from files that anybody may have written, so looking never fails:
// what is missing, or of another type than was asked for, reads as null, false, 0, "" or empty.

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "analyzer/output/json/events.h"

namespace fdaudit::analyzer {

class JsonValue {
 public:
  struct Member;
  using List = std::vector<JsonValue>;

  JsonValue();  // null
  // NOLINTBEGIN(google-explicit-constructor): what is written converts to what can be
  JsonValue(bool value);
  JsonValue(double value);
  JsonValue(std::string text);
  JsonValue(const char* text);
  template <std::integral T>
  JsonValue(T value) : JsonValue(IntegerTag{}, value < 0, static_cast<uint64_t>(value)) {}
  // NOLINTEND(google-explicit-constructor)
  static JsonValue EmptyList();
  static JsonValue EmptyObject();

  JsonValue(const JsonValue& other);
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(JsonValue other) noexcept;
  ~JsonValue();

  bool IsNull() const { return std::holds_alternative<std::monostate>(value_); }
  bool IsText() const { return std::holds_alternative<TextPointer>(value_); }
  bool IsList() const { return std::holds_alternative<ListPointer>(value_); }
  bool IsObject() const { return std::holds_alternative<ObjectPointer>(value_); }
  bool IsNumber() const;
  bool IsBoolean() const { return std::holds_alternative<bool>(value_); }

  bool IsTrue() const;
  /// Clamped to what the type holds; a fraction is cut.
  int Int() const;
  uint64_t Count() const;
  double Real() const;
  const std::string& Text() const;

  /// Elements of a list, or members of an object.
  size_t size() const;
  bool empty() const { return size() == 0; }

  const JsonValue& operator[](size_t index) const;
  JsonValue& operator[](size_t index) { return const_cast<JsonValue&>(std::as_const(*this)[index]); }
  const JsonValue& operator[](std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  /// nullptr: there is none. Takes the same time in an object of 100,000 members as in a small one.
  const JsonValue* Find(std::string_view name) const;

  /// Of a list.
  List::const_iterator begin() const { return Elements().begin(); }
  List::const_iterator end() const { return Elements().end(); }
  const List& Elements() const;
  const std::vector<Member>& Members() const;

  /// For writing: what is of another type becomes the one that is asked for.
  List& MutableElements();
  /// Of an object: their values, not their names.
  std::vector<Member>& MutableMembers();
  /// The member of this name; null and at the end where there was none.
  JsonValue& At(std::string_view name);
  void Push(JsonValue value);

  void Send(JsonEvents* to) const;

  friend bool operator==(const JsonValue& a, const JsonValue& b);

 private:
  struct IntegerTag {};
  struct Object;
  using TextPointer = std::unique_ptr<std::string>;
  using ListPointer = std::unique_ptr<List>;
  using ObjectPointer = std::unique_ptr<Object>;

  JsonValue(IntegerTag, bool is_negative, uint64_t bits);

  // int64_t: every integer that fits. Pointers keep a value at 16 bytes: charts have hundreds of thousands of numbers.
  std::variant<std::monostate, bool, int64_t, uint64_t, double, TextPointer, ListPointer, ObjectPointer> value_;
};

struct JsonValue::Member {
  std::string name;
  JsonValue value;
};

/// Makes a value of events. Of members with one name, the last counts.
class JsonValueMaker : public JsonEvents {
 public:
  /// Once the outermost object or list has ended.
  JsonValue Take() { return std::move(root_); }

  void BeginObject() override { Begin(JsonValue::EmptyObject()); }
  void EndObject() override { open_.pop_back(); }
  void BeginList() override { Begin(JsonValue::EmptyList()); }
  void EndList() override { open_.pop_back(); }
  void Name(std::string_view name) override { name_ = name; }
  void Null() override { Put({}); }
  void Boolean(bool value) override { Put(value); }
  void Integer(int64_t value) override { Put(value); }
  void Count(uint64_t value) override { Put(value); }
  void Real(double value) override { Put(value); }
  void Text(std::string_view text) override { Put(std::string(text)); }

 private:
  void Begin(JsonValue value);
  JsonValue& Put(JsonValue value);

  JsonValue root_;
  std::vector<JsonValue*> open_;  // from the root to the innermost; stable, since only the innermost one grows
  std::string name_;
};

}  // namespace fdaudit::analyzer
