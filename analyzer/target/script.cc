#include "analyzer/target/script.h"

#include <sstream>
#include <vector>

namespace fdaudit::analyzer {
namespace {

constexpr std::string_view kBlank = " \t";

std::string Trim(std::string_view text) {
  size_t start = text.find_first_not_of(kBlank);
  if (start == std::string_view::npos) return "";
  return std::string(text.substr(start, text.find_last_not_of(kBlank) + 1 - start));
}

std::vector<std::string> Words(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool TakesValue(const std::string& option) {
  return option == "-u" || option == "-C" || option == "-a" || option == "--unset" || option == "--chdir" ||
         option == "--argv0";
}

}  // namespace

ScriptLine ParseScriptLine(std::string_view head) {
  ScriptLine line;
  if (!head.starts_with("#!")) return line;
  head = head.substr(0, kScriptHead);
  size_t end = head.find('\n');
  bool is_whole = end != std::string_view::npos || head.size() < kScriptHead;
  std::string text = Trim(head.substr(2, end == std::string_view::npos ? end : end - 2));
  text = text.substr(0, text.find('\0'));
  size_t space = text.find_first_of(kBlank);
  // A path that may go on beyond what the kernel reads is none.
  if (space == std::string::npos && !is_whole) return line;
  line.interpreter = text.substr(0, space);
  if (space != std::string::npos) line.argument = Trim(text.substr(space));
  return line;
}

std::string ProgramOfEnv(const std::string& argument) {
  // Without -S the line's rest is one argument, blanks and all.
  bool is_split = argument.starts_with("-S") || argument.starts_with("--split-string") || argument.starts_with("-vS");
  if (!is_split) return argument.starts_with("-") || argument.find('=') != std::string::npos ? "" : argument;
  size_t start = argument.find_first_of(" \t=");
  bool is_joined = argument.starts_with("-S") && argument.size() > 2 && start != 2;  // "-Spython3 -u"
  std::vector<std::string> words =
      Words(is_joined ? argument.substr(2) : argument.substr(std::min(start, argument.size() - 1) + 1));
  for (size_t i = 0; i < words.size(); ++i) {
    if (TakesValue(words[i])) {
      ++i;
    } else if (!words[i].starts_with("-") && words[i].find('=') == std::string::npos) {
      return words[i];
    }
  }
  return "";
}

}  // namespace fdaudit::analyzer
