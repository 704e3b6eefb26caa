#pragma once

// What a user may set of the shim, defined once: name, range, default and help. The shim reads FDAUDIT_OPTIONS by it,
// `fdaudit run` its flags, and a test compares README.md with it. Freestanding.

#include <cstddef>
#include <cstdint>

namespace fdaudit::settings {

enum class Id : uint8_t {
  kDepth,
  kJournal,
  kFollow,
  kSkip,
  kPython,
  kQuarantine,
  kUses,
  kLastUse,
  kUnwinder,
  kSummary
};

enum class Type : uint8_t {
  kSwitch,  ///< 0 or 1
  kNumber,  ///< decimal
  kSize,    ///< bytes: decimal, with an optional K, M or G behind it
  kNames,   ///< separated by commas; `most` bytes
  kChoice,  ///< one of the words in `value`, separated by bars
};

struct Setting {
  Id id;
  const char* name;
  Type type;
  uint64_t least;
  uint64_t most;
  const char* usual;  ///< the default, as it would be written
  const char* value;  ///< what help and docs call the value
  const char* help;
  bool may_stand_alone;  ///< given as a flag without a value, it is 1
};

inline constexpr uint64_t kMostQuarantined = 1024;

inline constexpr Setting kAll[] = {
    {Id::kDepth, "depth", Type::kNumber, 1, 256, "64", "N", "frames kept of each stack", false},
    {Id::kJournal, "journal", Type::kSize, 0, uint64_t{4} << 30, "16M", "SIZE", "room for the event journal; 0 = none",
     false},
    {Id::kFollow, "follow", Type::kSwitch, 0, 1, "1", "0|1", "audit forked and exec'd children too", true},
    {Id::kSkip, "skip", Type::kNames, 0, 255, "", "NAME,...", "programs that run unaudited", false},
    {Id::kPython, "python", Type::kSwitch, 0, 1, "1", "0|1", "Python frames in the stacks of Python programs", true},
    {Id::kQuarantine, "quarantine", Type::kNumber, 0, kMostQuarantined, "0", "0|1|N",
     "closed numbers rest: the last N are not handed out again while others are free; 1 = 64", true},
    {Id::kUses, "uses", Type::kSwitch, 0, 1, "1", "0|1", "report uses of closed numbers", true},
    {Id::kLastUse, "last_use", Type::kChoice, 0, 0, "1", "0|1|stack",
     "where each descriptor was last used: the calling line, or the whole call path", true},
    {Id::kUnwinder, "unwinder", Type::kChoice, 0, 0, "own", "own|libunwind", "who reads the unwind tables", false},
    {Id::kSummary, "summary", Type::kSwitch, 0, 1, "0", "0|1", "one line on standard error when a process ends", true},
};

inline constexpr const Setting& Of(Id id) { return kAll[static_cast<size_t>(id)]; }

/// A number, with a unit (powers of 1,024) where `has_unit`. False where the text is none, or does not fit.
inline constexpr bool ParseNumber(const char* text, size_t length, bool has_unit, uint64_t* out) {
  uint64_t number = 0;
  size_t i = 0;
  for (; i < length && text[i] >= '0' && text[i] <= '9'; ++i) {
    const auto digit = static_cast<uint64_t>(text[i] - '0');
    if (number > (UINT64_MAX - digit) / 10) return false;
    number = number * 10 + digit;
  }
  if (i == 0) return false;
  if (has_unit && i + 1 == length) {
    const char unit = static_cast<char>(text[i] & ~0x20);
    const int shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
    if (shift == 0 || number > (UINT64_MAX >> shift)) return false;
    number <<= shift;
  } else if (i != length) {
    return false;
  }
  *out = number;
  return true;
}

/// Whether `word` is one of those in `words`, which bars separate; `*index` is which.
inline constexpr bool FindWord(const char* words, const char* word, size_t length, size_t* index) {
  for (*index = 0; *words != '\0'; ++*index) {
    size_t i = 0;
    while (i < length && words[i] == word[i] && words[i] != '\0' && words[i] != '|') ++i;
    const bool is_it = i == length && (words[i] == '\0' || words[i] == '|');
    if (is_it) return true;
    while (*words != '\0' && *words != '|') ++words;
    if (*words == '|') ++words;
  }
  return false;
}

/// Whether a text may be the setting's value. `*number`: of a number, size or switch its value; of a choice its index.
inline constexpr bool Parse(const Setting& setting, const char* text, size_t length, uint64_t* number) {
  size_t index = 0;
  switch (setting.type) {
    case Type::kNames:
      return length <= setting.most;
    case Type::kChoice:
      if (!FindWord(setting.value, text, length, &index)) return false;
      *number = index;
      return true;
    default:
      if (setting.type == Type::kSwitch && length != 1) return false;
      return ParseNumber(text, length, setting.type == Type::kSize, number) && *number >= setting.least &&
             *number <= setting.most;
  }
}

}  // namespace fdaudit::settings
