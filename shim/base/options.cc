#include "shim/base/options.h"

#include <cstring>

#include "shim/base/text.h"

namespace fdaudit::shim {
namespace {

struct Value {
  const char* text;
  size_t length;
};

bool Equals(Value value, const char* text) {
  return value.length == strlen(text) && memcmp(value.text, text, value.length) == 0;
}

bool ReadSwitch(Value value, bool* out) {
  if (Equals(value, "0") || Equals(value, "1")) {
    *out = value.text[0] == '1';
    return true;
  }
  return false;
}

/// Decimal, with an optional K, M or G (powers of 1,024) behind it.
bool ReadSize(Value value, uint64_t low, uint64_t high, uint64_t* out) {
  uint64_t number = 0;
  size_t i = 0;
  for (; i < value.length && value.text[i] >= '0' && value.text[i] <= '9'; ++i) {
    if (number > (UINT64_MAX >> 12)) return false;
    number = number * 10 + static_cast<uint64_t>(value.text[i] - '0');
  }
  if (i == 0) return false;
  if (i + 1 == value.length) {
    const char unit = static_cast<char>(value.text[i] & ~0x20);
    const int shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
    if (shift == 0 || number > (UINT64_MAX >> 31)) return false;
    number <<= shift;
  } else if (i != value.length) {
    return false;
  }
  if (number < low || number > high) return false;
  *out = number;
  return true;
}

template <size_t N>
bool ReadText(Value value, char (&out)[N]) {
  if (value.length >= N) return false;
  memcpy(out, value.text, value.length);
  out[value.length] = '\0';
  return true;
}

/// A colon ends an option: in names of directories it is %3A, and a percent sign %25.
bool ReadDirectory(Value value) {
  TextBuilder text(options.trace, sizeof options.trace);
  for (size_t i = 0; i < value.length; ++i) {
    const char* c = value.text + i;
    const bool is_code = value.length - i >= 3 && c[0] == '%' && (StartsWith(c, "%3A") || StartsWith(c, "%25"));
    text.Add(!is_code ? c : c[1] == '3' ? ":" : "%", 1);
    if (is_code) i += 2;
  }
  return !text.overflowed();
}

bool ReadUnwinder(Value value) {
  options.libunwind = Equals(value, "libunwind");
  return options.libunwind || Equals(value, "own");
}

bool ReadLastUse(Value value) {
  using LastUse = Options::LastUse;
  bool is_on = false;
  if (Equals(value, "stack")) {
    options.last_use = LastUse::kStack;
  } else if (ReadSwitch(value, &is_on)) {
    options.last_use = is_on ? LastUse::kCaller : LastUse::kNothing;
  } else {
    return false;
  }
  return true;
}

bool ReadDepth(Value value) {
  uint64_t depth = 0;
  if (!ReadSize(value, 1, 256, &depth)) return false;
  options.depth = static_cast<uint32_t>(depth);
  return true;
}

bool ReadQuarantine(Value value) {
  uint64_t count = 0;
  if (!ReadSize(value, 0, kMaxQuarantine, &count)) return false;
  options.quarantine = count == 1 ? kUsualQuarantine : static_cast<uint32_t>(count);
  return true;
}

struct OptionRow {
  const char* name;
  bool (*read)(Value value);
};

constexpr OptionRow kOptionRows[] = {
    {"trace", ReadDirectory},
    {"session", [](Value v) { return ReadText(v, options.session); }},
    {"place", [](Value v) { return ReadText(v, options.place); }},
    {"family", [](Value v) { return ReadText(v, options.family); }},
    {"ahead", [](Value v) { return ReadSize(v, 0, 4096, &options.ahead); }},
    {"filters", [](Value v) { return ReadSize(v, 0, UINT32_MAX, &options.filters); }},
    {"apart", [](Value v) { return ReadSwitch(v, &options.apart); }},
    {"image", [](Value v) { return ReadSize(v, 0, UINT32_MAX, &options.image); }},
    {"skip", [](Value v) { return ReadText(v, options.skip); }},
    {"depth", ReadDepth},
    {"journal", [](Value v) { return ReadSize(v, 0, uint64_t{4} << 30, &options.journal); }},
    {"follow", [](Value v) { return ReadSwitch(v, &options.follow); }},
    {"python", [](Value v) { return ReadSwitch(v, &options.python); }},
    {"quarantine", ReadQuarantine},
    {"uses", [](Value v) { return ReadSwitch(v, &options.uses); }},
    {"last_use", ReadLastUse},
    {"summary", [](Value v) { return ReadSwitch(v, &options.summary); }},
    {"unwinder", ReadUnwinder},
};

bool ReadOption(Value name, Value value) {
  for (const OptionRow& row : kOptionRows) {
    if (Equals(name, row.name)) return row.read(value);
  }
  return false;
}

}  // namespace

void ReadOptions(const char* text, char* complaint, size_t complaint_size) {
  TextBuilder problem(complaint, complaint_size);
  while (text != nullptr && *text != '\0') {
    const size_t length = LengthUntil(text, ":");
    const size_t name_length = LengthUntil(text, "=:");
    const bool has_value = text[name_length] == '=';
    const Value value = has_value ? Value{text + name_length + 1, length - name_length - 1} : Value{"", 0};
    if (length != 0 && !ReadOption({text, name_length}, value)) {
      problem.Add(problem.size() == 0 ? "" : ", ").Add(text, length);
    }
    text += length;
    if (*text == ':') ++text;
  }
}

bool ListNames(const char* list, const char* path) {
  const char* name = BaseName(path);
  const size_t name_length = strlen(name);
  while (*list != '\0') {
    const size_t length = LengthUntil(list, ",");
    if (length == name_length && memcmp(list, name, length) == 0) return true;
    list += length;
    if (*list == ',') ++list;
  }
  return false;
}

}  // namespace fdaudit::shim
