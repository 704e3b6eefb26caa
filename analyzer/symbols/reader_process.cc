#include "analyzer/symbols/reader_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {
namespace {

constexpr rlim_t kMemory = rlim_t{512} << 20;  // beyond what the parent had, for all files
constexpr rlim_t kMemoryPerByte = 16;
constexpr rlim_t kSeconds = 20;
constexpr rlim_t kBytesPerSecond = 2 << 20;
constexpr uint32_t kMaxMessage = 64 << 20;
/// For files that never answer (a FUSE file system). A debuginfod server may have much to send.
constexpr int kPatience = 300 * 1000;  // milliseconds
constexpr int kPatienceWithServer = 3600 * 1000;

bool is_reader = false;
rlim_t files_size = 0;

void LowerLimit(int resource, rlim_t to) {
  rlimit limit = {};
  if (getrlimit(resource, &limit) != 0) return;
  limit.rlim_cur = std::min(to, limit.rlim_max);
  setrlimit(resource, &limit);
}

rlim_t AddressSpace() {
  const rlim_t pages = std::strtoull(ReadFileText("/proc/self/statm").text.c_str(), nullptr, 10);
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void SetLimits() {
  static const rlim_t at_start = AddressSpace();
  if (at_start != 0) LowerLimit(RLIMIT_AS, at_start + kMemory + kMemoryPerByte * files_size);
  LowerLimit(RLIMIT_CPU, kSeconds + files_size / kBytesPerSecond);
}

bool Send(int fd, const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size != 0) {
    const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

bool Receive(int fd, void* data, size_t size, int patience) {
  auto* bytes = static_cast<char*>(data);
  while (size != 0) {
    const ssize_t got = recv(fd, bytes, size, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
      pollfd wanted = {fd, POLLIN, 0};
      const int ready = poll(&wanted, 1, patience);
      if (ready == 0 || (ready < 0 && errno != EINTR)) return false;
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool SendMessage(int fd, std::string_view message) {
  if (message.size() > kMaxMessage) return false;
  const auto size = static_cast<uint32_t>(message.size());
  std::string whole(reinterpret_cast<const char*>(&size), sizeof size);
  whole += message;
  return Send(fd, whole.data(), whole.size());
}

std::optional<std::string> ReceiveMessage(int fd, int patience) {
  uint32_t size = 0;
  if (!Receive(fd, &size, sizeof size, patience) || size > kMaxMessage) return std::nullopt;
  std::string message(size, '\0');
  if (!Receive(fd, message.data(), size, patience)) return std::nullopt;
  return message;
}

/// What is typed at the terminal is for the parent; it says when there is nothing more to read.
void BecomeReader() {
  is_reader = true;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGTSTP}) std::signal(signal, SIG_IGN);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nothing, standard);
  LowerLimit(RLIMIT_CORE, 0);
  SetLimits();
}

[[noreturn]] void Serve(int fd, const std::function<ReaderProcess::Answer()>& make_answer) {
  try {
    const ReaderProcess::Answer answer = make_answer();
    while (const std::optional<std::string> question = ReceiveMessage(fd, -1)) {
      if (!SendMessage(fd, answer(*question))) break;
    }
  } catch (...) {  // memory, mostly; the parent sees the end
    _exit(1);
  }
  _exit(0);
}

}  // namespace

ReaderProcess::ReaderProcess(const std::function<Answer()>& make_answer) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    close(ends[0]);
    BecomeReader();
    Serve(ends[1], make_answer);
  }
  close(ends[1]);
  socket_ = ends[0];
}

ReaderProcess::~ReaderProcess() {
  if (socket_ >= 0) close(socket_);
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
}

std::optional<std::string> ReaderProcess::Ask(std::string_view question) {
  if (pid_ <= 0) return std::nullopt;
  const int patience = std::getenv("DEBUGINFOD_URLS") == nullptr ? kPatience : kPatienceWithServer;
  if (SendMessage(socket_, question)) {
    if (std::optional<std::string> answer = ReceiveMessage(socket_, patience)) return answer;
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
  return std::nullopt;
}

void ReaderProcess::AllowFor(int fd) {
  struct stat status = {};
  if (!is_reader || fstat(fd, &status) != 0) return;
  files_size += static_cast<rlim_t>(status.st_blocks) * 512;  // as it is: a sparse file claims what it likes
  SetLimits();
}

}  // namespace fdaudit::analyzer
