#include "analyzer/trace/file_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace fdaudit::analyzer {

FileText ReadFileText(const std::string& path, size_t most) {
  FileText file;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return {"", errno};
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) file.error = errno;
    if (got <= 0) break;
    file.text.append(buffer.data(), static_cast<size_t>(got));
    if (file.text.size() <= most) continue;
    file.error = EFBIG;
    break;
  }
  close(fd);
  if (file.text.starts_with("\xef\xbb\xbf")) file.text.erase(0, 3);
  return file;
}

}  // namespace fdaudit::analyzer
