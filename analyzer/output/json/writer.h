#pragma once

// Writing JSON in the words of its shape: objects, lists, fields. Nothing is kept: what is written goes to where the
// events go.
//
//   JsonWriter out(&text);
//   out.Object([&] {
//     out.Field("pid", process.pid);
//     out.Field("argv", process.argv);
//     out.Object("end", [&] { out.Field("status", process.status); });
//     out.List("events", [&] {
//       for (const Event& event : events) WriteEvent(event, out);
//     });
//   });

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "analyzer/output/json/events.h"

namespace fdaudit::analyzer {

class JsonWriter {
 public:
  explicit JsonWriter(JsonEvents* events) : events_(*events) {}

  /// An object or list by itself, or as an element of a list. `body` writes what is in it.
  template <std::invocable Body>
  void Object(Body body) {
    events_.BeginObject();
    body();
    events_.EndObject();
  }
  template <std::invocable Body>
  void List(Body body) {
    events_.BeginList();
    body();
    events_.EndList();
  }
  /// The same as a member of an object.
  template <std::invocable Body>
  void Object(std::string_view name, Body body) {
    events_.Name(name);
    Object(body);
  }
  template <std::invocable Body>
  void List(std::string_view name, Body body) {
    events_.Name(name);
    List(body);
  }

  /// A member of an object: its value is anything that Value() takes.
  template <typename T>
  void Field(std::string_view name, const T& value) {
    events_.Name(name);
    Value(value);
  }
  /// The name of a member whose value is written next, by whatever call.
  void Name(std::string_view name) { events_.Name(name); }

  void Value(std::nullptr_t) { events_.Null(); }
  void Value(bool value) { events_.Boolean(value); }
  template <std::signed_integral T>
  void Value(T value) {
    events_.Integer(value);
  }
  template <std::unsigned_integral T>
  void Value(T value) {
    events_.Count(value);
  }
  void Value(double value) { events_.Real(value); }
  void Value(std::string_view text) { events_.Text(text); }
  void Value(const char* text) { events_.Text(text); }
  void Value(const std::string& text) { events_.Text(text); }
  /// A JsonValue, for one.
  template <typename T>
  requires requires(const T& value, JsonEvents* to) { value.Send(to); }
  void Value(const T& value) { value.Send(&events_); }
  /// Null where there is none.
  template <typename T>
  void Value(const std::optional<T>& value) {
    value ? Value(*value) : events_.Null();
  }
  template <typename T>
  void Value(const std::vector<T>& list) {
    List([&] {
      for (const auto& one : list) Value(one);
    });
  }

 private:
  JsonEvents& events_;
};

}  // namespace fdaudit::analyzer
