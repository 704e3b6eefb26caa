#include "analyzer/viewer/sources.h"

#include <algorithm>
#include <optional>

#include "analyzer/output/escape.h"
#include "analyzer/symbols/source_file.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostFiles = 300;
constexpr size_t kLongestLine = 200;

}  // namespace

const std::vector<std::string>& Sources::LinesOf(const std::string& file) {
  static const std::vector<std::string> kNone;
  const auto known = files_.find(file);
  if (known != files_.end()) return known->second;
  if (files_.size() == kMostFiles) return kNone;
  std::vector<std::string>& lines = files_[file];
  const std::optional<std::string> text = ReadSourceFile(file);
  for (size_t at = 0; text && at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    lines.push_back(text->substr(at, std::min(end - at, kLongestLine)));
    at = end + 1;
  }
  return lines;
}

std::vector<Sources::Line> Sources::Around(const std::string& file, int line, int around) {
  const std::vector<std::string>& lines = LinesOf(file);
  const auto count = static_cast<int>(lines.size());
  if (line < 1 || line > count) return {};
  std::vector<Line> found;
  for (int number = std::max(1, line - around); number <= std::min(count, line + around); ++number) {
    found.push_back({number, RepairUtf8(lines[static_cast<size_t>(number) - 1])});
  }
  return found;
}

}  // namespace fdaudit::analyzer
