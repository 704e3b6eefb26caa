#include "shim/base/options.h"

#include <cstring>

#include "shim/base/settings.h"
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

/// Of the options that are set for children, and not for users.
bool ReadNumber(Value value, uint64_t most, uint64_t* out) {
  uint64_t number = 0;
  if (!settings::ParseNumber(value.text, value.length, false, &number) || number > most) return false;
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

/// What a user may set: the table has its range.
bool ReadSetting(const settings::Setting& setting, Value value) {
  using settings::Id;
  uint64_t number = 0;
  if (!settings::Parse(setting, value.text, value.length, &number)) return false;
  switch (setting.id) {
    case Id::kDepth:
      options.depth = static_cast<uint32_t>(number);
      break;
    case Id::kJournal:
      options.journal = number;
      break;
    case Id::kFollow:
      options.follow = number == 1;
      break;
    case Id::kSkip:
      return ReadText(value, options.skip);
    case Id::kPython:
      options.python = number == 1;
      break;
    case Id::kQuarantine:
      options.quarantine = number == 1 ? kUsualQuarantine : static_cast<uint32_t>(number);
      break;
    case Id::kUses:
      options.uses = number == 1;
      break;
    case Id::kLastUse:
      options.last_use = static_cast<Options::LastUse>(number);
      break;
    case Id::kUnwinder:
      options.libunwind = number == 1;
      break;
    case Id::kSummary:
      options.summary = number == 1;
      break;
  }
  return true;
}

struct OptionRow {
  const char* name;
  bool (*read)(Value value);
};

/// The trace's place, and what one image passes on to the next.
constexpr OptionRow kOptionRows[] = {
    {"trace", ReadDirectory},
    {"session", [](Value v) { return ReadText(v, options.session); }},
    {"place", [](Value v) { return ReadText(v, options.place); }},
    {"family", [](Value v) { return ReadText(v, options.family); }},
    {"ahead", [](Value v) { return ReadNumber(v, 4096, &options.ahead); }},
    {"token", [](Value v) { return ReadNumber(v, UINT64_MAX, &options.token); }},
    {"filters", [](Value v) { return ReadNumber(v, UINT32_MAX, &options.filters); }},
    {"apart",
     [](Value v) {
       options.apart = Equals(v, "1");
       return true;
     }},
    {"image", [](Value v) { return ReadNumber(v, UINT32_MAX, &options.image); }},
};

bool ReadOption(Value name, Value value) {
  for (const OptionRow& row : kOptionRows) {
    if (Equals(name, row.name)) return row.read(value);
  }
  for (const settings::Setting& setting : settings::kAll) {
    if (Equals(name, setting.name)) return ReadSetting(setting, value);
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
