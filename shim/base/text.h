#pragma once

// Strings without heap and without libc, for building paths, messages and environment entries in buffers on the stack.
// Usable in every context.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fdaudit::shim {

/// A text of bounded size under construction, always NUL-terminated. What does not fit sets `overflowed`.
class TextBuilder {
 public:
  TextBuilder(char* buffer, size_t capacity) : buffer_(buffer), capacity_(capacity) { buffer_[0] = '\0'; }

  TextBuilder& Add(const char* text) { return Add(text, strlen(text)); }

  TextBuilder& Add(const char* text, size_t length) {
    if (length >= capacity_ - size_) {
      overflowed_ = true;
      length = capacity_ - size_ - 1;
    }
    memcpy(buffer_ + size_, text, length);
    size_ += length;
    buffer_[size_] = '\0';
    return *this;
  }

  TextBuilder& Add(uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    return Add(digits + first, sizeof digits - first);
  }

  const char* text() const { return buffer_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  bool overflowed() const { return overflowed_; }

 private:
  char* buffer_;
  size_t capacity_;
  size_t size_ = 0;
  bool overflowed_ = false;
};

/// strcmp(3), for what runs before a sanitizer, whose function of that name the shim would call, has started.
inline bool IsSame(const char* one, const char* other) {
  while (*one != '\0' && *one == *other) ++one, ++other;
  return *one == *other;
}

inline bool StartsWith(const char* text, const char* prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

// What a starting image reads of its environment. libc chooses its functions for these by the processor, and each lies
// in pages of its own: a page fault apiece takes longer than reading short texts byte by byte.

/// Bytes of `text` before the first that is one of `stops`, or all.
inline size_t LengthUntil(const char* text, const char* stops) {
  for (size_t length = 0;; ++length) {
    if (text[length] == '\0') return length;
    for (const char* stop = stops; *stop != '\0'; ++stop) {
      if (text[length] == *stop) return length;
    }
  }
}

/// The first place of `part` in `text`, or nullptr.
template <typename Char>
Char* FindText(Char* text, const char* part) {
  for (; *text != '\0'; ++text) {
    if (*text == *part && StartsWith(text, part)) return text;
  }
  return nullptr;
}

/// The part of a path behind its last slash.
inline const char* BaseName(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

/// FNV-1a, 64 bits; for keys of small records, not for what an adversary chooses.
inline uint64_t HashBytes(const void* data, size_t size, uint64_t hash = 0xcbf29ce484222325) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

}  // namespace fdaudit::shim
