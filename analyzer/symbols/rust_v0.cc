// A recursive descent over the grammar of RFC 2603 that writes the name as it reads. Backrefs jump to an earlier place
// and read it again, so a short symbol may describe an endless or enormous name: depth and output are limited.
//
// Shown as rustc's own short form: crates without their disambiguators, constants without their types, generic
// arguments after "::<" in values and "<" in types.

#include "analyzer/symbols/rust_v0.h"

#include <fmt/core.h>

#include <array>
#include <limits>

#include "analyzer/symbols/punycode.h"

namespace fdaudit::analyzer {
namespace {

constexpr int kMaxDepth = 200;
constexpr size_t kMaxOutput = 16384;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view BasicType(char tag) {
  static constexpr std::array<std::string_view, 26> kTypes = {
      "i8",   "bool", "char", "f64", "str", "f32", "",    "u8", "isize", "usize", "",    "i32", "u32",
      "i128", "u128", "_",    "",    "",    "i16", "u16", "()", "...",   "",      "i64", "u64", "!"};
  return tag >= 'a' && tag <= 'z' ? kTypes[static_cast<size_t>(tag - 'a')] : "";
}

class Demangler {
 public:
  explicit Demangler(std::string_view text) : text_(text) {}

  std::optional<std::string> Run() {
    Path(InValue::kYes);
    if (ok_ && at_ < text_.size()) {  // the crate that instantiated it: no part of the name
      is_silent_ = true;
      Path(InValue::kNo);
    }
    if (!ok_ || at_ != text_.size() || out_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  enum class InValue { kNo, kYes };

  struct Identifier {
    uint64_t disambiguator = 0;
    std::string name;
  };

  // One level of recursion.
  class Level {
   public:
    explicit Level(Demangler* demangler) : demangler_(demangler) {
      if (++demangler_->depth_ > kMaxDepth) demangler_->Fail();
    }
    ~Level() { --demangler_->depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Demangler* demangler_;
  };

  void Fail() { ok_ = false; }
  char Peek() const { return ok_ && at_ < text_.size() ? text_[at_] : '\0'; }
  char Next() {
    if (!ok_ || at_ >= text_.size()) {
      Fail();
      return '\0';
    }
    return text_[at_++];
  }
  bool Eat(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  void Print(std::string_view text) {
    if (!ok_ || is_silent_) return;
    if (out_.size() + text.size() > kMaxOutput) return Fail();
    out_ += text;
  }

  uint64_t Decimal() {
    if (!IsDigit(Peek())) Fail();
    if (Eat('0')) return 0;
    uint64_t value = 0;
    while (IsDigit(Peek()) && value < kMaxOutput) value = value * 10 + static_cast<uint64_t>(Next() - '0');
    return value;
  }

  // "_" is 0, "0_" is 1, "1_" is 2 …
  uint64_t Base62() {
    if (Eat('_')) return 0;
    uint64_t value = 0;
    for (char c = Next(); ok_ && c != '_'; c = Next()) {
      uint64_t digit = 0;
      if (IsDigit(c)) {
        digit = static_cast<uint64_t>(c - '0');
      } else if (c >= 'a' && c <= 'z') {
        digit = static_cast<uint64_t>(c - 'a') + 10;
      } else if (c >= 'A' && c <= 'Z') {
        digit = static_cast<uint64_t>(c - 'A') + 36;
      } else {
        Fail();
      }
      if (value > (std::numeric_limits<uint64_t>::max() - digit) / 62 - 1) Fail();
      value = value * 62 + digit;
    }
    return value + 1;
  }
  uint64_t OptionalBase62(char tag) { return Eat(tag) ? Base62() + 1 : 0; }

  Identifier ReadIdentifier() {
    Identifier identifier;
    identifier.disambiguator = OptionalBase62('s');
    identifier.name = UndisambiguatedName();
    return identifier;
  }

  std::string UndisambiguatedName() {
    bool is_punycode = Eat('u');
    uint64_t length = Decimal();
    Eat('_');
    if (!ok_ || length > text_.size() - at_) {
      Fail();
      return "";
    }
    std::string name(text_.substr(at_, length));
    at_ += length;
    if (!is_punycode) return name;
    std::optional<std::string> decoded = DecodePunycode(name);
    if (!decoded) Fail();
    return decoded.value_or("");
  }

  // Reads what was written at an earlier place with `read`.
  template <class Read>
  void Backref(Read read) {
    size_t here = at_ - 1;
    uint64_t target = Base62();
    if (target >= here) return Fail();
    if (is_silent_) return;
    size_t after = at_;
    at_ = target;
    read();
    at_ = after;
  }

  // Items up to an 'E', separated. The result is how many there were.
  template <class Read>
  size_t List(std::string_view separator, Read read) {
    size_t count = 0;
    for (; ok_ && !Eat('E'); ++count) {
      if (count > 0) Print(separator);
      read();
    }
    return count;
  }

  void Path(InValue in_value) {
    Level level(this);
    switch (char tag = Next()) {
      case 'C':
        return Print(ReadIdentifier().name);
      case 'M':
      case 'X':
        SkipImplPath();
        [[fallthrough]];
      case 'Y':
        Print("<");
        Type();
        if (tag != 'M') {
          Print(" as ");
          Path(InValue::kNo);
        }
        return Print(">");
      case 'N':
        return NestedPath(in_value);
      case 'I':
        Path(in_value);
        if (in_value == InValue::kYes) Print("::");
        return GenericArguments();
      case 'B':
        return Backref([&] { Path(in_value); });
      default:
        return Fail();
    }
  }

  // Where an impl stands says less than what it is for.
  void SkipImplPath() {
    bool was_silent = is_silent_;
    is_silent_ = true;
    OptionalBase62('s');
    Path(InValue::kNo);
    is_silent_ = was_silent;
  }

  void NestedPath(InValue in_value) {
    char space = Next();
    Path(in_value);
    Identifier identifier = ReadIdentifier();
    if (space >= 'a' && space <= 'z') {
      if (!identifier.name.empty()) Print("::" + identifier.name);
      return;
    }
    if (space < 'A' || space > 'Z') return Fail();
    std::string kind = space == 'C' ? "closure" : space == 'S' ? "shim" : std::string(1, space);
    if (!identifier.name.empty()) kind += ":" + identifier.name;
    Print("::{" + kind + "#" + std::to_string(identifier.disambiguator) + "}");
  }

  void GenericArguments() {
    Print("<");
    List(", ", [&] { GenericArgument(); });
    Print(">");
  }

  void GenericArgument() {
    if (Eat('L')) return Lifetime(Base62());
    if (Eat('K')) return Const();
    Type();
  }

  void Lifetime(uint64_t index) {
    if (index == 0) return Print("'_");
    if (index > bound_lifetimes_) return Fail();
    uint64_t number = bound_lifetimes_ - index;
    Print(number < 26 ? std::string("'") + static_cast<char>('a' + number) : "'_" + std::to_string(number));
  }

  // "for<'a, 'b> " and then `read`, in which those lifetimes are bound.
  template <class Read>
  void Binder(Read read) {
    uint64_t count = OptionalBase62('G');
    if (count > kMaxOutput) return Fail();
    uint64_t outer = bound_lifetimes_;
    for (uint64_t i = 0; ok_ && i < count; ++i) {
      ++bound_lifetimes_;
      Print(i == 0 ? "for<" : ", ");
      Lifetime(1);
    }
    if (count > 0) Print("> ");
    read();
    bound_lifetimes_ = outer;
  }

  void Type() {
    Level level(this);
    char tag = Next();
    if (std::string_view basic = BasicType(tag); !basic.empty()) return Print(basic);
    switch (tag) {
      case 'R':
      case 'Q':
        return Reference(tag == 'Q');
      case 'P':
      case 'O':
        Print(tag == 'P' ? "*const " : "*mut ");
        return Type();
      case 'A':
      case 'S':
        return Sequence(tag == 'A');
      case 'T':
        Print("(");
        return Print(List(", ", [&] { Type(); }) == 1 ? ",)" : ")");
      case 'F':
        return Binder([&] { FunctionType(); });
      case 'D':
        return TraitObject();
      case 'B':
        return Backref([&] { Type(); });
      default:
        if (ok_) --at_;
        return Path(InValue::kNo);
    }
  }

  void Reference(bool is_mutable) {
    Print("&");
    if (uint64_t lifetime = Eat('L') ? Base62() : 0) {
      Lifetime(lifetime);
      Print(" ");
    }
    if (is_mutable) Print("mut ");
    Type();
  }

  void Sequence(bool has_length) {
    Print("[");
    Type();
    if (has_length) {
      Print("; ");
      Const();
    }
    Print("]");
  }

  void FunctionType() {
    if (Eat('U')) Print("unsafe ");
    if (Eat('K')) {
      std::string abi = Eat('C') ? "C" : UndisambiguatedName();
      for (char& c : abi) c = c == '_' ? '-' : c;
      Print("extern \"" + abi + "\" ");
    }
    Print("fn(");
    List(", ", [&] { Type(); });
    Print(")");
    if (Eat('u')) return;  // returns nothing
    Print(" -> ");
    Type();
  }

  void TraitObject() {
    Print("dyn ");
    Binder([&] { List(" + ", [&] { Trait(); }); });
    if (!Eat('L')) return Fail();
    uint64_t lifetime = Base62();
    if (lifetime == 0) return;
    Print(" + ");
    Lifetime(lifetime);
  }

  // A trait of a trait object: its associated types go into the brackets of its generic arguments.
  void Trait() {
    bool is_open = TraitPath();
    while (Eat('p')) {
      Print(is_open ? ", " : "<");
      is_open = true;
      Print(UndisambiguatedName() + " = ");
      Type();
    }
    if (is_open) Print(">");
  }

  // The result says whether a bracket was left open.
  bool TraitPath() {
    Level level(this);
    bool is_open = false;
    if (Eat('B')) {
      Backref([&] { is_open = TraitPath(); });
    } else if (Eat('I')) {
      Path(InValue::kNo);
      Print("<");
      List(", ", [&] { GenericArgument(); });
      is_open = true;
    } else {
      Path(InValue::kNo);
    }
    return is_open;
  }

  void Const() {
    Level level(this);
    char tag = Next();
    if (tag == 'p') return Print("_");
    if (tag == 'B') return Backref([&] { Const(); });
    std::string_view type = BasicType(tag);
    // Strings, references and structures as constants are not stable Rust.
    if (type.empty() || (type[0] != 'i' && type[0] != 'u' && type != "bool" && type != "char")) return Fail();
    bool is_negative = Eat('n');
    std::string digits;
    for (char c = Next(); ok_ && c != '_'; c = Next()) {
      if (!IsDigit(c) && (c < 'a' || c > 'f')) return Fail();
      if (!digits.empty() || c != '0') digits += c;
    }
    if (digits.size() > 16) return Print((is_negative ? "-0x" : "0x") + digits);
    uint64_t value = digits.empty() ? 0 : std::stoull(digits, nullptr, 16);
    if (type == "bool") return value > 1 ? Fail() : Print(value ? "true" : "false");
    if (type == "char") return CharConst(value);
    Print((is_negative ? "-" : "") + std::to_string(value));
  }

  void CharConst(uint64_t value) {
    std::string text;
    if (value > 0x10FFFF || !AppendUtf8(static_cast<uint32_t>(value), &text)) return Fail();
    Print(value < ' ' ? fmt::format("'\\u{{{:x}}}'", value) : "'" + text + "'");
  }

  std::string_view text_;
  size_t at_ = 0;
  std::string out_;
  bool ok_ = true;
  bool is_silent_ = false;
  int depth_ = 0;
  uint64_t bound_lifetimes_ = 0;
};

}  // namespace

std::optional<std::string> DemangleRustV0(std::string_view mangled) {
  mangled = mangled.substr(0, mangled.find_first_of(".$"));
  if (!mangled.empty() && IsDigit(mangled[0])) return std::nullopt;  // a later version of the mangling
  return Demangler(mangled).Run();
}

}  // namespace fdaudit::analyzer
