#include "analyzer/output/json/schema.h"

#include <regex.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "analyzer/output/json/text.h"

namespace fdaudit::analyzer {
namespace {

using Violation = std::optional<SchemaViolation>;

constexpr size_t kMostShown = 60;

std::string TextOf(const JsonValue& value) {
  std::string text;
  JsonText json([&text](std::string_view piece) { text += piece; }, JsonText::Layout::kCompact);
  value.Send(&json);
  return text;
}

/// Short enough for a sentence.
std::string Shown(const JsonValue& value) {
  if (value.IsObject()) return "an object";
  if (value.IsList()) return "a list";
  const std::string text = TextOf(value);
  return text.size() <= kMostShown ? text : text.substr(0, kMostShown) + "...";
}

/// `found` in the member or element of that name. "/" and "~" in it are escaped (RFC 6901 §3).
Violation Below(std::string_view name, Violation found) {
  std::string step = "/";
  for (const char c : name) step += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  found->pointer.insert(0, step);
  return found;
}

bool IsWhole(const JsonValue& value) { return value.IsNumber() && std::floor(value.Real()) == value.Real(); }

bool IsOfType(const JsonValue& value, const std::string& type) {
  if (type == "null") return value.IsNull();
  if (type == "string") return value.IsText();
  if (type == "array") return value.IsList();
  if (type == "object") return value.IsObject();
  if (type == "number") return value.IsNumber();
  if (type == "integer") return IsWhole(value);
  return type == "boolean" && value.IsBoolean();
}

/// Patterns are few and short; POSIX's extended expressions have all that they use.
bool Matches(const std::string& text, const std::string& pattern) {
  struct Free {
    void operator()(regex_t* expression) const {
      regfree(expression);
      delete expression;
    }
  };
  static std::map<std::string, std::unique_ptr<regex_t, Free>> known;
  std::unique_ptr<regex_t, Free>& expression = known[pattern];
  if (!expression) {
    expression.reset(new regex_t);
    if (regcomp(expression.get(), pattern.c_str(), REG_EXTENDED | REG_NOSUB) != 0) return false;
  }
  return text.find('\0') == std::string::npos && regexec(expression.get(), text.c_str(), 0, nullptr, 0) == 0;
}

std::string Alternatives(const JsonValue& list) {
  std::string text;
  for (const JsonValue& one : list) text += (text.empty() ? "" : " or ") + (one.IsText() ? one.Text() : TextOf(one));
  return text;
}

Violation CheckType(const JsonValue& type, const JsonValue& value) {
  if (type.IsText() && !IsOfType(value, type.Text())) {
    return SchemaViolation{"", Shown(value) + " is no " + type.Text()};
  }
  const auto fits = [&value](const JsonValue& one) { return IsOfType(value, one.Text()); };
  if (type.IsList() && std::none_of(type.begin(), type.end(), fits)) {
    return SchemaViolation{"", Shown(value) + " is no " + Alternatives(type)};
  }
  return std::nullopt;
}

Violation CheckScalar(const JsonValue& schema, const JsonValue& value) {
  if (const JsonValue* wanted = schema.Find("const"); wanted != nullptr && value != *wanted) {
    return SchemaViolation{"", Shown(value) + " is not " + Shown(*wanted)};
  }
  if (const JsonValue* wanted = schema.Find("enum");
      wanted != nullptr && std::find(wanted->begin(), wanted->end(), value) == wanted->end()) {
    return SchemaViolation{"", Shown(value) + " is none of what may stand there"};
  }
  if (const JsonValue* least = schema.Find("minimum");
      least != nullptr && value.IsNumber() && value.Real() < least->Real()) {
    return SchemaViolation{"", Shown(value) + " is below " + Shown(*least)};
  }
  if (const JsonValue* pattern = schema.Find("pattern");
      pattern != nullptr && value.IsText() && !Matches(value.Text(), pattern->Text())) {
    return SchemaViolation{"", Shown(value) + " does not match " + pattern->Text()};
  }
  return std::nullopt;
}

}  // namespace

const JsonValue& JsonSchema::Resolve(const std::string& reference) const {
  const JsonValue* found = &root_;
  for (size_t at = reference.find('/'); at != std::string::npos;) {
    const size_t end = reference.find('/', at + 1);
    found = &(*found)[std::string_view(reference).substr(at + 1, end == std::string::npos ? end : end - at - 1)];
    at = end;
  }
  return *found;
}

Violation JsonSchema::Check(const JsonValue& schema, JsonValue* value) const {
  if (const JsonValue* reference = schema.Find("$ref")) {
    if (Violation found = Check(Resolve(reference->Text()), value)) return found;
  }
  if (Violation found = CheckType(schema["type"], *value)) return found;
  if (Violation found = CheckScalar(schema, *value)) return found;
  if (Violation found = CheckAnyOf(schema, value)) return found;
  if (value->IsObject()) return CheckObject(schema, value);
  if (value->IsList()) return CheckList(schema, value);
  return std::nullopt;
}

/// Where no branch fits, what the one says that went deepest: an object that lacks something is meant to be one.
Violation JsonSchema::CheckAnyOf(const JsonValue& schema, JsonValue* value) const {
  Violation deepest;
  for (const JsonValue& branch : schema["anyOf"]) {
    Violation found = Check(branch, value);
    if (!found) return std::nullopt;
    const bool is_type = found->pointer.empty() && found->what.find(" is no ") != std::string::npos;
    if (!deepest || !is_type) deepest = std::move(found);
  }
  return deepest;
}

Violation JsonSchema::CheckObject(const JsonValue& schema, JsonValue* value) const {
  const JsonValue& properties = schema["properties"];
  for (const JsonValue& name : schema["required"]) {
    if (value->Has(name.Text())) continue;
    const JsonValue* usual = properties[name.Text()].Find("default");
    if (usual == nullptr) return SchemaViolation{"", "'" + name.Text() + "' is missing"};
    value->At(name.Text()) = *usual;
  }
  const JsonValue* others = schema.Find("additionalProperties");
  for (JsonValue::Member& member : value->MutableMembers()) {
    if (const JsonValue* names = schema.Find("propertyNames")) {
      JsonValue name(member.name);
      if (Violation found = Check(*names, &name)) return Below(member.name, std::move(found));
    }
    // What is not known was added by a later version of the same schema.
    const JsonValue* known = properties.Find(member.name);
    if (known == nullptr && others != nullptr && others->IsObject()) known = others;
    if (known == nullptr) continue;
    if (Violation found = Check(*known, &member.value)) return Below(member.name, std::move(found));
  }
  return std::nullopt;
}

Violation JsonSchema::CheckList(const JsonValue& schema, JsonValue* value) const {
  const size_t size = value->size();
  if (const JsonValue* most = schema.Find("maxItems"); most != nullptr && size > most->Count()) {
    return SchemaViolation{"", "more than " + Shown(*most) + " elements"};
  }
  if (const JsonValue* least = schema.Find("minItems"); least != nullptr && size < least->Count()) {
    return SchemaViolation{"", "fewer than " + Shown(*least) + " elements"};
  }
  const JsonValue* items = schema.Find("items");
  const bool is_unique = schema["uniqueItems"].IsTrue();
  std::set<std::string> seen;
  size_t index = 0;
  for (JsonValue& element : value->MutableElements()) {
    Violation found;
    if (items != nullptr) found = Check(*items, &element);
    if (!found && is_unique && !seen.insert(TextOf(element)).second) {
      found = SchemaViolation{"", Shown(element) + " is there twice"};
    }
    if (found) return Below(std::to_string(index), std::move(found));
    ++index;
  }
  return std::nullopt;
}

}  // namespace fdaudit::analyzer
