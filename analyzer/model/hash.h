#pragma once

// FNV-1a, 64 bits: for names that must be the same in every run and on every machine, where std::hash promises nothing.

#include <cstdint>
#include <string_view>

namespace fdaudit::analyzer {

class Fnv {
 public:
  void Add(std::string_view bytes) {
    for (const char c : bytes) Step(static_cast<unsigned char>(c));
    Step(0xff);  // so that ("ab", "c") and ("a", "bc") differ
  }
  void Add(uint64_t number) {
    for (int i = 0; i < 8; ++i) Step(static_cast<unsigned char>(number >> (8 * i)));
  }
  uint64_t value() const { return value_; }

 private:
  void Step(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace fdaudit::analyzer
