#include "analyzer/symbols/display_name.h"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <vector>

#include "analyzer/symbols/rust_demangle.h"

namespace fdaudit::analyzer {
namespace {

// The demangler's work and stack grow with the name; generated names beyond this help nobody.
constexpr size_t kMaxMangled = 8192;

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// ".cold", ".part.0", ".isra.0.cold", ".llvm.1234" …: what GCC and clang append to functions they split, cloned or
// moved. Only these, because dots belong to the names of other languages.
std::string_view WithoutCloneSuffix(std::string_view name) {
  static constexpr std::array<std::string_view, 10> kNumbered = {
      "constprop", "isra", "part", "lto_priv", "llvm", "cold", "ipa", "llvm_cfi", "localalias", "simdclone"};
  static constexpr std::array<std::string_view, 4> kBare = {"cold", "localalias", "cfi", "cfi_jt"};
  auto is_in = [](const auto& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  };
  while (true) {
    size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return name;
    std::string_view last = name.substr(dot + 1);
    if (is_in(kBare, last)) {
      name = name.substr(0, dot);
      continue;
    }
    size_t before = name.rfind('.', dot - 1);
    if (!IsDigits(last) || before == std::string_view::npos || before == 0) return name;
    if (!is_in(kNumbered, name.substr(before + 1, dot - before - 1))) return name;
    name = name.substr(0, before);
  }
}

void ReplaceAll(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at + to.size())) {
    text->replace(at, from.size(), to);
  }
}

bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// The length of an operator's name at `at` ("operator<<", "operator()"), whose signs are no brackets; else 0.
size_t OperatorLength(std::string_view text, size_t at) {
  constexpr std::string_view kOperator = "operator";
  // Longer ones before those they begin with.
  static constexpr std::array<std::string_view, 13> kWithBrackets = {"()", "[]", "<=>", "<<=", ">>=", "->*", "<<",
                                                                     ">>", "<=", ">=",  "->",  "<",   ">"};
  if (text.substr(at, kOperator.size()) != kOperator || (at > 0 && IsWord(text[at - 1]))) return 0;
  std::string_view sign = text.substr(at + kOperator.size());
  if (!sign.empty() && IsWord(sign[0])) return 0;
  for (std::string_view known : kWithBrackets) {
    if (sign.starts_with(known)) return kOperator.size() + known.size();
  }
  return kOperator.size();
}

// Walks over a C++ name and knows the brackets around the current place.
class NameWalk {
 public:
  explicit NameWalk(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ >= text_.size(); }
  size_t at() const { return at_; }
  char current() const { return text_[at_]; }
  size_t depth() const { return open_.size(); }
  bool InTemplate() const { return !open_.empty() && open_.back() == '<'; }
  bool AtOperator() const { return OperatorLength(text_, at_) > 0; }
  std::string_view Rest() const { return text_.substr(at_); }

  // To the next place: one character on, or behind an operator's name.
  void Step() {
    if (size_t length = OperatorLength(text_, at_)) {
      at_ += length;
      return;
    }
    char c = text_[at_++];
    if (c == '<' || c == '(' || c == '[' || c == '{') {
      open_.push_back(c);
    } else if ((c == '>' || c == ')' || c == ']' || c == '}') && !open_.empty()) {
      open_.pop_back();
    }
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
  std::vector<char> open_;
};

// The length of ", std::allocator<…>" and its like where `walk` stands at one, as an argument of a template; else 0.
size_t DefaultArgumentLength(const NameWalk& walk) {
  static constexpr std::array<std::string_view, 6> kDefaults = {", std::allocator<", ", std::char_traits<",
                                                                ", std::less<",      ", std::default_delete<",
                                                                ", std::hash<",      ", std::equal_to<"};
  if (!walk.InTemplate()) return 0;
  std::string_view rest = walk.Rest();
  bool is_default =
      std::any_of(kDefaults.begin(), kDefaults.end(), [&](std::string_view start) { return rest.starts_with(start); });
  if (!is_default) return 0;
  NameWalk argument(rest);
  while (!argument.AtEnd() && argument.current() != '<') argument.Step();
  do argument.Step();
  while (!argument.AtEnd() && argument.depth() > 0);
  std::string_view after = argument.Rest();
  return after.starts_with(',') || after.starts_with('>') || after.starts_with(" >") ? argument.at() : 0;
}

std::string WithoutDefaultArguments(std::string_view name) {
  std::string result;
  for (NameWalk walk(name); !walk.AtEnd();) {
    if (size_t length = DefaultArgumentLength(walk)) {
      size_t end = walk.at() + length;
      while (walk.at() < end) walk.Step();
      continue;
    }
    size_t from = walk.at();
    walk.Step();
    result += name.substr(from, walk.at() - from);
  }
  return result;
}

// A template function's name begins with its return type: the name proper begins after the last space outside of
// brackets before the parameters. Functions returning function pointers wrap around their name and stay as they are.
std::string_view WithoutReturnType(std::string_view name) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)";
  size_t start = 0;
  for (NameWalk walk(name); !walk.AtEnd(); walk.Step()) {
    if (walk.depth() > 0) continue;
    if (walk.AtOperator()) return name.substr(start);
    if (walk.current() == ' ') {
      bool is_decltype = name.substr(0, walk.at()).ends_with("decltype");
      if (!is_decltype) start = walk.at() + 1;
      continue;
    }
    if (walk.current() != '(' || walk.Rest().starts_with(kAnonymous)) continue;
    if (walk.Rest().starts_with("(*") || walk.Rest().starts_with("(&")) return name;
    if (name.substr(0, walk.at()).ends_with("decltype ") || name.substr(0, walk.at()).ends_with("decltype")) continue;
    return name.substr(start);
  }
  return name;
}

std::string DemangleCxx(const std::string& mangled) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status),
                                                   &std::free);
  return text ? ShortenCxxName(text.get()) : mangled;
}

}  // namespace

std::string ShortenCxxName(std::string name) {
  for (size_t tag = name.find("[abi:"); tag != std::string::npos; tag = name.find("[abi:", tag)) {
    size_t end = name.find(']', tag);
    if (end == std::string::npos) break;
    name.erase(tag, end + 1 - tag);
  }
  ReplaceAll(&name, "std::__cxx11::", "std::");
  ReplaceAll(&name, "std::__1::", "std::");
  name = WithoutDefaultArguments(name);
  ReplaceAll(&name, " >", ">");
  for (std::string_view type : {"string", "string_view", "ostream", "istream", "iostream", "fstream", "ifstream",
                                "ofstream", "stringstream", "ostringstream", "istringstream", "filebuf", "streambuf"}) {
    ReplaceAll(&name, "std::basic_" + std::string(type) + "<char>", "std::" + std::string(type));
  }
  return std::string(WithoutReturnType(name));
}

bool IsMangled(std::string_view name) { return name.starts_with("_Z") || name.starts_with("_R"); }

std::string DisplayName(std::string_view name) {
  size_t version = name.find('@');
  if (version != std::string_view::npos && version > 0) name = name.substr(0, version);
  name = WithoutCloneSuffix(name);
  if (!IsMangled(name) || name.size() > kMaxMangled) return std::string(name);
  if (std::optional<std::string> rust = DemangleRust(name)) return *rust;
  return name.starts_with("_Z") ? DemangleCxx(std::string(name)) : std::string(name);
}

}  // namespace fdaudit::analyzer
