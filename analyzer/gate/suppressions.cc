#include "analyzer/gate/suppressions.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "analyzer/detect/kinds.h"
#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {
namespace {

constexpr std::string_view kCalledBy = " <- ";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// A module as the last part of a pattern names it. A stored report has modules' last names only.
std::string ModuleOf(const Frame& frame) { return frame.module.front() == '/' ? frame.module : '/' + frame.module; }

/// "/app+0x1139": a place without a name.
std::string PlaceOf(const Frame& frame) { return fmt::format("{}+{:#x}", ModuleOf(frame), frame.offset); }

bool FitsFrame(const Pattern& pattern, const Frame& frame, bool by_module) {
  if (!frame.function.empty() && pattern.Fits(frame.function)) return true;
  if (!frame.file.empty() && pattern.Fits(frame.file)) return true;
  if (frame.module.empty()) return false;
  return (by_module && pattern.Fits(ModuleOf(frame))) || (!frame.is_python && pattern.Fits(PlaceOf(frame)));
}

/// What a name holds must not be taken for the pattern language.
bool IsPlain(std::string_view name) {
  return name.find_first_of("*^$\n") == std::string_view::npos && name.find(kCalledBy) == std::string_view::npos &&
         Trim(name) == name;
}

}  // namespace

Pattern::Pattern(std::string_view text) {
  from_start_ = text.starts_with('^');
  if (from_start_) text.remove_prefix(1);
  to_end_ = text.ends_with('$');
  if (to_end_) text.remove_suffix(1);
  if (text.empty()) return;
  for (size_t star = text.find('*'); star != std::string_view::npos; star = text.find('*')) {
    parts_.emplace_back(text.substr(0, star));
    text.remove_prefix(star + 1);
  }
  parts_.emplace_back(text);
}

bool Pattern::Fits(std::string_view text) const {
  if (parts_.empty()) return !(from_start_ && to_end_) || text.empty();
  if (from_start_ && !text.starts_with(parts_.front())) return false;
  size_t at = from_start_ ? parts_.front().size() : 0;
  for (size_t i = from_start_ ? 1 : 0; i < parts_.size(); ++i) {
    const bool is_last = i + 1 == parts_.size();
    if (is_last && to_end_) {
      return text.size() >= at + parts_[i].size() && text.ends_with(parts_[i]);
    }
    const size_t found = text.find(parts_[i], at);
    if (found == std::string_view::npos) return false;
    at = found + parts_[i].size();
  }
  return !to_end_ || at == text.size();
}

std::optional<Suppression> Suppression::Read(std::string_view line, std::string place, std::string* problem) {
  line = Trim(line);
  if (line.empty() || line.front() == '#') return std::nullopt;
  Suppression suppression;
  suppression.text_ = line;
  const size_t colon = line.find(':');
  const std::string_view kind = line.substr(0, colon);
  if (kind != "*") suppression.kind_ = FindKind(kind);
  if (colon == std::string_view::npos) {
    *problem = place + ": expected KIND:PATTERN, found '" + std::string(line) + "'";
  } else if (kind != "*" && !suppression.kind_) {
    *problem = place + ": '" + std::string(kind) + "' is no kind of finding (fdaudit explain lists them; * is any)";
  }
  std::string_view rest = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  for (bool more = true; more && problem->empty();) {
    const size_t link = rest.find(kCalledBy);
    more = link != std::string_view::npos;
    suppression.chain_.emplace_back(Trim(rest.substr(0, link)));
    if (suppression.chain_.back().is_empty()) {
      *problem = place + ": the pattern is empty; '" + std::string(kind) + ":*' fits everything";
    }
    if (more) rest.remove_prefix(link + kCalledBy.size());
  }
  if (!problem->empty()) return std::nullopt;
  suppression.place_ = std::move(place);
  return suppression;
}

bool Suppression::FitsFrames(const FrameList& frames, bool by_module) const {
  size_t next = 0;
  for (const Frame& frame : frames) {
    if (FitsFrame(chain_[next], frame, by_module || chain_.size() > 1) && ++next == chain_.size()) return true;
  }
  return false;
}

bool Suppression::Fits(Kind kind, const SuppressionSubject& subject) const {
  if (kind_ && *kind_ != kind) return false;
  const bool by_module = !subject.is_growing;
  if (is_built_in()) return subject.location != nullptr && FitsFrame(chain_.front(), *subject.location, by_module);
  if (subject.frames != nullptr && FitsFrames(*subject.frames, by_module)) return true;
  const auto fits = [this](const std::string& target) { return chain_.front().Fits(target); };
  return chain_.size() == 1 && (std::any_of(subject.targets.begin(), subject.targets.end(), fits) || fits(""));
}

std::vector<Suppression> ReadSuppressions(const std::string& path, std::string* problem) {
  std::vector<Suppression> suppressions;
  const FileText file = ReadFileText(path);
  if (!file) *problem = path + " cannot be read: " + strerror(file.error);
  std::istringstream lines(file.text);
  std::string line;
  for (int number = 1; problem->empty() && std::getline(lines, line); ++number) {
    auto read = Suppression::Read(line, path + ":" + std::to_string(number), problem);
    if (read) suppressions.push_back(std::move(*read));
  }
  return suppressions;
}

std::string SuppressionFor(Kind kind, const SuppressionSubject& subject) {
  const std::string prefix = std::string(Name(kind)) + ":";
  std::string chain;
  int links = 0;
  if (subject.frames != nullptr) {
    for (const Frame& frame : *subject.frames) {
      if (frame.is_runtime || !IsPlain(frame.function) || frame.function.empty() || links == 3) continue;
      if (links++ != 0) chain += kCalledBy;
      chain += "^" + frame.function + "$";
    }
    if (!chain.empty()) return prefix + chain;
    for (const Frame& frame : *subject.frames) {
      if (!frame.is_runtime && !frame.module.empty() && IsPlain(frame.module)) {
        return prefix + fmt::format("/{}+{:#x}$", BaseName(frame.module), frame.offset);
      }
    }
  }
  for (const std::string& target : subject.targets) {
    if (!target.empty() && IsPlain(target)) return prefix + "^" + target + "$";
  }
  return "";
}

}  // namespace fdaudit::analyzer
