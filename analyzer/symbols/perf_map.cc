#include "analyzer/symbols/perf_map.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "analyzer/symbols/regular_file.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kMaxFile = size_t{256} << 20;

// The hexadecimal number that `line` begins with, and a space behind it, are taken from it.
bool TakeNumber(std::string_view* line, uint64_t* number) {
  if (line->starts_with("0x")) line->remove_prefix(2);
  auto [end, error] = std::from_chars(line->data(), line->data() + line->size(), *number, 16);
  if (error != std::errc()) return false;
  line->remove_prefix(static_cast<size_t>(end - line->data()));
  if (!line->starts_with(' ')) return false;
  line->remove_prefix(1);
  return true;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[65536];
  ssize_t size;
  while (text.size() < kMaxFile && (size = read(fd, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

}  // namespace

bool PerfMap::Load(const std::string& path) {
  int fd = OpenRegularFile(path, O_NOFOLLOW);
  if (fd < 0) return false;
  struct stat status;
  bool is_trusted = fstat(fd, &status) == 0 && (status.st_uid == geteuid() || status.st_uid == 0);
  if (is_trusted) Parse(ReadAll(fd));
  close(fd);
  return is_trusted;
}

void PerfMap::Parse(std::string_view text) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    uint64_t start = 0, size = 0;
    if (!TakeNumber(&line, &start) || !TakeNumber(&line, &size) || line.empty() || size == 0) continue;
    if (size > std::numeric_limits<uint64_t>::max() - start) continue;
    Insert(start, start + size, line);
  }
}

void PerfMap::Insert(uint64_t start, uint64_t end, std::string_view name) {
  auto next = codes_.upper_bound(start);
  if (next != codes_.begin() && std::prev(next)->second.end > start) --next;
  while (next != codes_.end() && next->first < end) next = codes_.erase(next);
  codes_[start] = {end, std::string(name)};
}

std::string_view PerfMap::Find(uint64_t address) const {
  auto next = codes_.upper_bound(address);
  if (next == codes_.begin()) return "";
  const Code& code = std::prev(next)->second;
  return address < code.end ? std::string_view(code.name) : "";
}

}  // namespace fdaudit::analyzer
