#include "analyzer/symbols/source_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <iterator>

#include "analyzer/symbols/regular_file.h"

namespace fdaudit::analyzer {
namespace {

constexpr off_t kLargestFile = 4 << 20;

bool IsSourceName(const std::filesystem::path& path) {
  static constexpr std::string_view kEndings[] = {".c",   ".cc", ".cpp", ".cxx", ".h",   ".hh",  ".hpp", ".hxx",
                                                  ".inl", ".py", ".rs",  ".go",  ".zig", ".d",   ".m",   ".mm",
                                                  ".js",  ".ts", ".pyx", ".f90", ".nim", ".vala"};
  const std::string ending = path.extension().string();
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

bool IsPython(std::string_view file) { return file.ends_with(".py") || file.ends_with(".pyx"); }

/// FNV-1a.
uint64_t HashOf(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

bool IsWordCharacter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

std::optional<std::string> ReadSourceFile(const std::string& name) {
  const std::filesystem::path path(name);
  if (!path.is_absolute() || !IsSourceName(path)) return std::nullopt;
  const int fd = OpenRegularFile(name);
  struct stat status = {};
  std::string text;
  ssize_t got = -1;
  if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size <= kLargestFile) {
    text.resize(static_cast<size_t>(status.st_size));
    size_t done = 0;
    do {
      got = read(fd, text.data() + done, text.size() - done);
      done += got > 0 ? static_cast<size_t>(got) : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    text.resize(done);
  }
  if (fd >= 0) close(fd);
  return got < 0 ? std::nullopt : std::optional(std::move(text));
}

std::string NormalisedLine(std::string_view line, bool is_python) {
  std::string kept;
  char quote = '\0';
  bool has_blank = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != '\0') {
      kept += c;
      if (c == '\\' && i + 1 < line.size()) {
        kept += line[++i];
      } else if (c == quote) {
        quote = '\0';
      }
      continue;
    }
    if (is_python ? c == '#' : line.substr(i).starts_with("//")) break;
    if (!is_python && line.substr(i).starts_with("/*")) {
      const size_t end = line.find("*/", i + 2);
      if (end == std::string_view::npos) break;
      i = end + 1;
      has_blank = true;
      continue;
    }
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      has_blank = true;
      continue;
    }
    // A blank counts between words alone.
    if (has_blank && !kept.empty() && IsWordCharacter(kept.back()) && IsWordCharacter(c)) kept += ' ';
    has_blank = false;
    if (c == '"' || c == '\'') quote = c;
    kept += c;
  }
  return kept;
}

const std::vector<uint64_t>& SourceLines::HashesOf(const std::string& file) {
  const auto [known, is_new] = files_.try_emplace(file);
  if (!is_new) return known->second;
  const std::optional<std::string> text = ReadSourceFile(file);
  for (size_t at = 0; text && at < text->size();) {
    const size_t end = std::min(text->find('\n', at), text->size());
    const std::string line = NormalisedLine(std::string_view(*text).substr(at, end - at), IsPython(file));
    known->second.push_back(line.empty() ? 0 : HashOf(line));
    at = end + 1;
  }
  return known->second;
}

std::optional<SourceLines::Identity> SourceLines::Find(const std::string& file, int first_line, int line) {
  const std::vector<uint64_t>& hashes = HashesOf(file);
  const auto index = static_cast<size_t>(line) - 1;
  if (line < 1 || index >= hashes.size() || hashes[index] == 0) return std::nullopt;
  Identity identity{hashes[index], 0};
  if (first_line < 1 || first_line > line) return identity;
  const auto begin = hashes.begin() + first_line - 1;
  const auto here = hashes.begin() + static_cast<std::ptrdiff_t>(index);
  identity.ordinal = static_cast<uint32_t>(std::count(begin, here, hashes[index]));
  return identity;
}

}  // namespace fdaudit::analyzer
