// fdaudit explain: the table of kinds, for people.

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/options.h"
#include "analyzer/detect/kinds.h"

namespace fdaudit::analyzer {
namespace {

/// `text` in lines of at most 78 columns, each indented by two.
std::string Wrapped(std::string_view text) {
  constexpr size_t kWidth = 76;
  std::string out;
  size_t column = kWidth + 1;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (column + 1 + (end - at) > kWidth) {
      out += out.empty() ? "  " : "\n  ";
      column = 0;
    } else {
      out += ' ';
      ++column;
    }
    out += text.substr(at, end - at);
    column += end - at;
    at = end + 1;
  }
  return out;
}

void Explain(const KindInfo& info) {
  fmt::print("{} ({}): {}\n\n{}\n\nSeen in real programs\n{}\n\nWhat proves it\n{}\n\nHow to fix it\n{}\n", info.name,
             Name(info.severity), info.summary, Wrapped(info.meaning), Wrapped(info.example), Wrapped(info.proof),
             Wrapped(info.fix));
  const std::pair<const char*, const char*> languages[] = {
      {"C", info.in_c}, {"C++", info.in_cpp}, {"Python", info.in_python}};
  for (const auto& [language, how] : languages) fmt::print("\n{}\n", Wrapped(std::string(language) + ": " + how));
  fmt::print("\n  {}\n", WeaknessesOf(info));
}

void List() {
  fmt::print("Kinds of findings (`fdaudit explain KIND` says more):\n\n");
  for (const KindInfo& info : AllKinds()) {
    fmt::print("  {:<17} {:<8} {}\n", info.name, Name(info.severity), info.summary);
  }
}

}  // namespace

int ExplainCommand(int argc, char** argv) {
  CommandLine line(
      "Says what a kind of finding means, what proves it and how to fix it. Without KIND: lists all kinds.",
      "fdaudit explain");
  std::string word;
  line.Add({{.names = "KIND", .target = &word, .help = "leak, double-close …"}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  if (word.empty()) {
    List();
    return kExitOk;
  }
  const std::optional<Kind> kind = FindKind(word);
  if (kind) {
    Explain(Info(*kind));
    return kExitOk;
  }
  std::vector<std::string> names;
  for (const KindInfo& info : AllKinds()) names.emplace_back(info.name);
  const std::string meant = Closest(word, names);
  return Complain("unknown finding kind '" + word + "'" +
                      (meant.empty() ? " (`fdaudit explain` lists them all)" : " (did you mean '" + meant + "'?)"),
                  kExitUsage);
}

}  // namespace fdaudit::analyzer
