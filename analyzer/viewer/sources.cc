#include "analyzer/viewer/sources.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMostFiles = 300;
constexpr uintmax_t kLargestFile = 4 << 20;
constexpr size_t kLongestLine = 200;

bool IsSourceName(const std::filesystem::path& path) {
  static constexpr std::string_view kEndings[] = {".c",   ".cc", ".cpp", ".cxx", ".h",   ".hh",  ".hpp", ".hxx",
                                                  ".inl", ".py", ".rs",  ".go",  ".zig", ".d",   ".m",   ".mm",
                                                  ".js",  ".ts", ".pyx", ".f90", ".nim", ".vala"};
  const std::string ending = path.extension().string();
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

}  // namespace

const std::vector<std::string>& Sources::LinesOf(const std::string& file) {
  static const std::vector<std::string> kNone;
  const auto known = files_.find(file);
  if (known != files_.end()) return known->second;
  if (files_.size() == kMostFiles) return kNone;
  std::vector<std::string>& lines = files_[file];
  const std::filesystem::path path(file);
  std::error_code error;
  const bool is_readable = path.is_absolute() && IsSourceName(path) && std::filesystem::is_regular_file(path, error) &&
                           std::filesystem::file_size(path, error) <= kLargestFile;
  if (!is_readable || error) return lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line.substr(0, kLongestLine));
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
