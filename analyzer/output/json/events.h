#pragma once

// What JSON consists of, as one event after another. Three kinds of places send them: our own data (writer.h), a stored
// file (reader.h) and a value (value.h). Two receive them: text (text.h) and a value. Code that inspects a
// document on its way, without keeping it, stands between the two.

#include <cstdint>
#include <string_view>

namespace fdaudit::analyzer {

class JsonEvents {
 public:
  virtual ~JsonEvents() = default;

  virtual void BeginObject() = 0;
  virtual void EndObject() = 0;
  virtual void BeginList() = 0;
  virtual void EndList() = 0;
  /// The name of the object's next member; its value follows.
  virtual void Name(std::string_view name) = 0;

  virtual void Null() = 0;
  virtual void Boolean(bool value) = 0;
  virtual void Integer(int64_t value) = 0;
  /// Numbers that an int64_t may not hold.
  virtual void Count(uint64_t value) = 0;
  virtual void Real(double value) = 0;
  virtual void Text(std::string_view text) = 0;
};

}  // namespace fdaudit::analyzer
