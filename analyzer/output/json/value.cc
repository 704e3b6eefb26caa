#include "analyzer/output/json/value.h"

#include <algorithm>
#include <climits>
#include <unordered_map>

namespace fdaudit::analyzer {

/// Members in their order. More than a few are found by an index, which is made when it is first asked for and kept up
/// from then on.
struct JsonValue::Object {
  std::vector<Member> members;
  std::unordered_map<std::string, size_t> index;
};

namespace {

constexpr size_t kFew = 32;
const JsonValue kNull;
const std::string kNoText;
const JsonValue::List kNoElements;
const std::vector<JsonValue::Member> kNoMembers;

}  // namespace

JsonValue::JsonValue() = default;
JsonValue::JsonValue(bool value) : value_(value) {}
JsonValue::JsonValue(double value) : value_(value) {}
JsonValue::JsonValue(std::string text) : value_(std::make_unique<std::string>(std::move(text))) {}
JsonValue::JsonValue(const char* text) : JsonValue(std::string(text)) {}
JsonValue::JsonValue(IntegerTag, bool is_negative, uint64_t bits) {
  if (is_negative || bits <= static_cast<uint64_t>(INT64_MAX)) {
    value_ = static_cast<int64_t>(bits);
  } else {
    value_ = bits;
  }
}
JsonValue::JsonValue(JsonValue&&) noexcept = default;
JsonValue::~JsonValue() = default;

JsonValue::JsonValue(const JsonValue& other) {
  if (other.IsText()) {
    value_ = std::make_unique<std::string>(other.Text());
  } else if (other.IsList()) {
    value_ = std::make_unique<List>(other.Elements());
  } else if (other.IsObject()) {
    value_ = std::make_unique<Object>(Object{other.Members(), {}});
  } else if (const auto* boolean = std::get_if<bool>(&other.value_)) {
    value_ = *boolean;
  } else if (const auto* integer = std::get_if<int64_t>(&other.value_)) {
    value_ = *integer;
  } else if (const auto* count = std::get_if<uint64_t>(&other.value_)) {
    value_ = *count;
  } else if (const auto* real = std::get_if<double>(&other.value_)) {
    value_ = *real;
  }
}

JsonValue& JsonValue::operator=(JsonValue other) noexcept {
  value_.swap(other.value_);
  return *this;
}

JsonValue JsonValue::EmptyList() {
  JsonValue value;
  value.value_ = std::make_unique<List>();
  return value;
}

JsonValue JsonValue::EmptyObject() {
  JsonValue value;
  value.value_ = std::make_unique<Object>();
  return value;
}

bool JsonValue::IsNumber() const {
  return std::holds_alternative<int64_t>(value_) || std::holds_alternative<uint64_t>(value_) ||
         std::holds_alternative<double>(value_);
}

bool JsonValue::IsTrue() const {
  const auto* boolean = std::get_if<bool>(&value_);
  return boolean != nullptr && *boolean;
}

int JsonValue::Int() const {
  if (const auto* integer = std::get_if<int64_t>(&value_)) {
    return static_cast<int>(std::clamp<int64_t>(*integer, INT_MIN, INT_MAX));
  }
  const double real = Real();
  return real >= INT_MAX ? INT_MAX : real <= INT_MIN ? INT_MIN : static_cast<int>(real);
}

uint64_t JsonValue::Count() const {
  if (const auto* count = std::get_if<uint64_t>(&value_)) return *count;
  if (const auto* integer = std::get_if<int64_t>(&value_)) return *integer < 0 ? 0 : static_cast<uint64_t>(*integer);
  const double real = Real();
  return real >= 0x1p64 ? UINT64_MAX : real <= 0 ? 0 : static_cast<uint64_t>(real);
}

double JsonValue::Real() const {
  if (const auto* integer = std::get_if<int64_t>(&value_)) return static_cast<double>(*integer);
  if (const auto* count = std::get_if<uint64_t>(&value_)) return static_cast<double>(*count);
  const auto* real = std::get_if<double>(&value_);
  return real == nullptr ? 0 : *real;
}

const std::string& JsonValue::Text() const { return IsText() ? *std::get<TextPointer>(value_) : kNoText; }

const JsonValue::List& JsonValue::Elements() const { return IsList() ? *std::get<ListPointer>(value_) : kNoElements; }

const std::vector<JsonValue::Member>& JsonValue::Members() const {
  return IsObject() ? std::get<ObjectPointer>(value_)->members : kNoMembers;
}

size_t JsonValue::size() const { return IsObject() ? Members().size() : Elements().size(); }

const JsonValue& JsonValue::operator[](size_t index) const {
  const List& elements = Elements();
  return index < elements.size() ? elements[index] : kNull;
}

const JsonValue& JsonValue::operator[](std::string_view name) const {
  const JsonValue* const found = Find(name);
  return found == nullptr ? kNull : *found;
}

const JsonValue* JsonValue::Find(std::string_view name) const {
  if (!IsObject()) return nullptr;
  Object& object = *std::get<ObjectPointer>(value_);
  const std::vector<Member>& members = object.members;
  if (members.size() <= kFew) {
    const auto found =
        std::find_if(members.begin(), members.end(), [name](const Member& one) { return one.name == name; });
    return found == members.end() ? nullptr : &found->value;
  }
  for (size_t i = object.index.size(); i < members.size(); ++i) object.index.emplace(members[i].name, i);
  const auto found = object.index.find(std::string(name));
  return found == object.index.end() ? nullptr : &members[found->second].value;
}

JsonValue::List& JsonValue::MutableElements() {
  if (!IsList()) *this = EmptyList();
  return *std::get<ListPointer>(value_);
}

std::vector<JsonValue::Member>& JsonValue::MutableMembers() {
  if (!IsObject()) *this = EmptyObject();
  return std::get<ObjectPointer>(value_)->members;
}

JsonValue& JsonValue::At(std::string_view name) {
  if (!IsObject()) *this = EmptyObject();
  if (const JsonValue* const known = Find(name); known != nullptr) return const_cast<JsonValue&>(*known);
  return std::get<ObjectPointer>(value_)->members.emplace_back(Member{std::string(name), {}}).value;
}

void JsonValue::Push(JsonValue value) { MutableElements().push_back(std::move(value)); }

bool operator==(const JsonValue& a, const JsonValue& b) {
  if (a.value_.index() != b.value_.index()) return false;
  if (a.IsText()) return a.Text() == b.Text();
  if (a.IsList()) return a.Elements() == b.Elements();
  if (!a.IsObject()) return a.value_ == b.value_;
  const auto is_equal = [](const JsonValue::Member& one, const JsonValue::Member& other) {
    return one.name == other.name && one.value == other.value;
  };
  return std::equal(a.Members().begin(), a.Members().end(), b.Members().begin(), b.Members().end(), is_equal);
}

void JsonValue::Send(JsonEvents* to) const {
  if (IsText()) return to->Text(Text());
  if (IsList()) {
    to->BeginList();
    for (const JsonValue& one : Elements()) one.Send(to);
    return to->EndList();
  }
  if (IsObject()) {
    to->BeginObject();
    for (const Member& member : Members()) {
      to->Name(member.name);
      member.value.Send(to);
    }
    return to->EndObject();
  }
  if (const auto* boolean = std::get_if<bool>(&value_)) return to->Boolean(*boolean);
  if (const auto* integer = std::get_if<int64_t>(&value_)) return to->Integer(*integer);
  if (const auto* count = std::get_if<uint64_t>(&value_)) return to->Count(*count);
  if (const auto* real = std::get_if<double>(&value_)) return to->Real(*real);
  to->Null();
}

// --- from events

void JsonValueMaker::Begin(JsonValue value) {
  JsonValue& place = Put(std::move(value));
  open_.push_back(&place);
}

JsonValue& JsonValueMaker::Put(JsonValue value) {
  if (open_.empty()) return root_ = std::move(value);
  JsonValue& parent = *open_.back();
  if (parent.IsObject()) return parent.At(name_) = std::move(value);
  return parent.MutableElements().emplace_back(std::move(value));
}

}  // namespace fdaudit::analyzer
