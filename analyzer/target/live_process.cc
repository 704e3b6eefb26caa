#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "analyzer/target/stopped_process.h"
#include "analyzer/target/system_calls.h"
#include "analyzer/target/unwinding.h"
#include "analyzer/trace/file_text.h"

namespace fdaudit::analyzer {
namespace {

constexpr size_t kStackCopied = 256 * 1024;
constexpr size_t kMaxWaitedFor = 64;
constexpr uint64_t kPage = 4096;

std::string ReadLink(const std::string& path) {
  char text[4096];
  const ssize_t size = readlink(path.c_str(), text, sizeof text);
  return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
}

std::vector<int> NumbersIn(const std::string& directory) {
  std::vector<int> numbers;
  DIR* const stream = opendir(directory.c_str());
  if (stream == nullptr) return numbers;
  while (const dirent* entry = readdir(stream)) {
    if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9') numbers.push_back(atoi(entry->d_name));
  }
  closedir(stream);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::string TaskDirectory(int pid, int tid) {
  return "/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/";
}

/// /proc/PID/task/TID/syscall: number, six arguments, stack and instruction pointer; "running" has none of them.
struct CallAtHand {
  bool is_known = false;
  bool is_running = false;
  int error = 0;  ///< why it may not be read
  long number = -1;
  uint64_t arguments[6] = {};
  uint64_t stack_pointer = 0;
  uint64_t instruction_pointer = 0;
};

CallAtHand ReadCall(int pid, int tid) {
  CallAtHand call;
  const auto [text, error] = ReadFileText(TaskDirectory(pid, tid) + "syscall");
  call.error = error;
  call.is_running = text.starts_with("running");
  std::istringstream fields(text);
  fields >> call.number >> std::hex;
  if (call.number >= 0) {
    for (uint64_t& argument : call.arguments) fields >> std::ws, fields >> argument;
  }
  fields >> call.stack_pointer >> call.instruction_pointer;
  call.is_known = !text.empty() && !call.is_running && !fields.fail();
  return call;
}

std::string DescriptorLink(int pid, int fd) {
  return ReadLink("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd));
}

class Memory {
 public:
  explicit Memory(int pid) : fd_(open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDONLY | O_CLOEXEC)) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    if (fd_ >= 0) close(fd_);
  }

  bool Read(uint64_t address, void* to, size_t size) const {
    if (address >= stack_start_ && address - stack_start_ + size <= stack_.size()) {
      memcpy(to, stack_.data() + (address - stack_start_), size);
      return true;
    }
    return fd_ >= 0 && pread(fd_, to, size, static_cast<off_t>(address)) == static_cast<ssize_t>(size);
  }
  /// The same of what does not change: the pages are kept.
  bool ReadConstant(uint64_t address, void* to, size_t size, std::unordered_map<uint64_t, std::string>* pages) const {
    const uint64_t page = address / kPage * kPage;
    if (address + size > page + kPage) return Read(address, to, size);
    const auto [known, is_new] = pages->try_emplace(page);
    if (is_new) {
      known->second.resize(kPage);
      if (!Read(page, known->second.data(), kPage)) known->second.clear();
    }
    if (known->second.empty()) return Read(address, to, size);
    memcpy(to, known->second.data() + (address - page), size);
    return true;
  }
  /// So that the thread may go on while its stack is looked at.
  void CopyStack(uint64_t from) {
    stack_.resize(kStackCopied);
    const ssize_t got = fd_ < 0 ? -1 : pread(fd_, stack_.data(), stack_.size(), static_cast<off_t>(from));
    stack_.resize(got < 0 ? 0 : static_cast<size_t>(got));
    stack_start_ = from;
  }

 private:
  int fd_;
  uint64_t stack_start_ = 0;
  std::string stack_;
};

std::vector<int> PolledNumbers(const CallAtHand& call, const Memory& memory) {
  std::vector<int> numbers;
  for (uint64_t i = 0; i < call.arguments[1] && numbers.size() < kMaxWaitedFor; ++i) {
    pollfd one = {};
    if (!memory.Read(call.arguments[0] + i * sizeof one, &one, sizeof one)) break;
    if (one.fd >= 0) numbers.push_back(one.fd);
  }
  return numbers;
}

std::vector<int> SelectedNumbers(const CallAtHand& call, const Memory& memory) {
  std::vector<int> numbers;
  const auto end = static_cast<int>(std::min<uint64_t>(call.arguments[0], FD_SETSIZE));
  for (int fd = 0; fd < end && numbers.size() < kMaxWaitedFor; ++fd) {
    bool is_in = false;
    for (const int set : {1, 2, 3}) {
      unsigned char byte = 0;
      const uint64_t address = call.arguments[set] + static_cast<uint64_t>(fd / 8);
      is_in |= call.arguments[set] != 0 && memory.Read(address, &byte, 1) && (byte >> (fd % 8) & 1) != 0;
    }
    if (is_in) numbers.push_back(fd);
  }
  return numbers;
}

std::vector<int> WaitedNumbers(const SystemCallInfo& info, const CallAtHand& call, const Memory& memory) {
  switch (info.waits_for) {
    case WaitsFor::kFirst:
      return {static_cast<int>(call.arguments[0])};
    case WaitsFor::kTwo:
      return {static_cast<int>(call.arguments[0]), static_cast<int>(call.arguments[info.second])};
    case WaitsFor::kPollList:
      return PolledNumbers(call, memory);
    case WaitsFor::kSelectSets:
      return SelectedNumbers(call, memory);
    default:
      return {};
  }
}

/// EPERM has one of two causes that somebody can remove.
std::string WhyNot(const std::string& what, int error) {
  std::string why = what + ": " + (error == 0 ? "/proc shows nothing" : strerror(error));
  if (error != EPERM && error != EACCES) return why;
  const std::string scope = ReadFileText("/proc/sys/kernel/yama/ptrace_scope").text;
  return why + (!scope.empty() && scope[0] != '0'
                    ? " (kernel.yama.ptrace_scope is " + scope.substr(0, 1) + "; be root, or set it to 0)"
                    : " (it takes CAP_SYS_PTRACE; docker: --cap-add SYS_PTRACE)");
}

StoppedThread Describe(int pid, int tid, const CallAtHand& call, const Memory& memory) {
  StoppedThread thread;
  thread.tid = tid;
  const std::string stat = ReadFileText(TaskDirectory(pid, tid) + "stat").text;
  const size_t name = stat.find('('), name_end = stat.rfind(')');
  if (name != std::string::npos && name_end != std::string::npos && name_end + 2 < stat.size()) {
    thread.name = stat.substr(name + 1, name_end - name - 1);
    thread.state = stat[name_end + 2];
  }
  if (!call.is_known && !call.is_running) thread.problem = WhyNot("what it waits in may not be read", call.error);
  if (!call.is_known || call.number < 0) return thread;
  const SystemCallInfo* const info = FindSystemCall(call.number);
  thread.call = info == nullptr ? "system call " + std::to_string(call.number) : info->name;
  if (info == nullptr) return thread;
  for (const int fd : WaitedNumbers(*info, call, memory)) thread.waits_for.push_back({fd, DescriptorLink(pid, fd)});
  return thread;
}

/// Whether the thread may be stopped without its noticing.
bool MayStop(const CallAtHand& call, const StoppedThread& thread) {
  // One that the kernel holds would not stop, and we would wait for it; another may trace it already.
  if (thread.state != 'R' && thread.state != 'S') return false;
  if (call.is_running) return true;
  const SystemCallInfo* const info = call.is_known ? FindSystemCall(call.number) : nullptr;
  if (info == nullptr) return false;
  constexpr int kFutexTimeout = 3;
  const bool turns = call.number == SYS_futex && call.arguments[kFutexTimeout] != 0;  // into restart_syscall
  if (info->restarts && !turns) return true;
  // Of these a pipe and a terminal are sure to be waited for again.
  const bool is_simple = call.number == SYS_read || call.number == SYS_write;
  return is_simple && thread.waits_for.size() == 1 &&
         (thread.waits_for[0].link.starts_with("pipe:[") || thread.waits_for[0].link.starts_with("/dev/pts/"));
}

/// Detaches whatever happens between.
class Stop {
 public:
  explicit Stop(int tid) : tid_(tid), is_attached_(ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) == 0) {
    error_ = is_attached_ ? 0 : errno;
    if (!is_attached_ || ptrace(PTRACE_INTERRUPT, tid_, nullptr, nullptr) != 0) return;
    int status = 0;
    is_stopped_ = waitpid(tid_, &status, __WALL) == tid_ && WIFSTOPPED(status);
    // A signal that was on its way comes after all.
    signal_ = is_stopped_ && status >> 16 == 0 ? WSTOPSIG(status) : 0;
  }
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;
  ~Stop() {
    if (is_stopped_) ptrace(PTRACE_DETACH, tid_, nullptr, reinterpret_cast<void*>(static_cast<intptr_t>(signal_)));
  }

  bool is_stopped() const { return is_stopped_; }
  int error() const { return error_; }
  std::optional<Registers> Read() const {
    user_regs_struct user = {};
    iovec place = {&user, sizeof user};
    if (ptrace(PTRACE_GETREGSET, tid_, reinterpret_cast<void*>(NT_PRSTATUS), &place) != 0) return std::nullopt;
    return FromUser(user);
  }

 private:
  int tid_;
  bool is_attached_;
  bool is_stopped_ = false;
  int error_ = 0;
  int signal_ = 0;
};

/// Without registers the way out ends at the first function that keeps a frame pointer. Where that lies can be seen on
/// the stack: a word that points further up, below a return address. Taken is the first from which the way leads out to
/// the thread's start; none may be.
std::vector<uint64_t> UnwindUnstopped(const CodeMap& code, Registers registers, const ReadMemory& read) {
  constexpr uint64_t kReach = 4096, kFrameAtMost = 1 << 20;
  const Stack plain = Unwind(code, registers, read);
  if (plain.is_complete) return plain.places;
  const uint64_t start = *registers[kStackPointer];
  for (uint64_t at = start; at < start + kReach; at += sizeof(uint64_t)) {
    uint64_t frame[2];
    if (!read(at, frame, sizeof frame)) break;
    if (frame[0] <= at || frame[0] - at > kFrameAtMost || !code.Holds(frame[1])) continue;
    registers[kFramePointer] = at;
    Stack guess = Unwind(code, registers, read);
    if (guess.is_complete) return std::move(guess.places);
  }
  return plain.places;
}

/// `pages`: of code and unwind tables, for all threads.
void ReadStack(int pid, const CallAtHand& call, CodeMap& code, std::unordered_map<uint64_t, std::string>* pages,
               StoppedThread* thread) {
  Memory memory(pid);
  Registers registers;
  if (MayStop(call, *thread)) {
    const Stop stop(thread->tid);
    if (stop.error() != 0) {
      thread->problem = WhyNot("its stack may not be read: ptrace", stop.error());
      return;
    }
    const std::optional<Registers> read = stop.is_stopped() ? stop.Read() : std::nullopt;
    if (!read) return;
    registers = *read;
    memory.CopyStack(*registers[kStackPointer]);
  } else if (call.is_known) {
    registers[kStackPointer] = call.stack_pointer;
    registers[kInstructionPointer] = call.instruction_pointer;
    memory.CopyStack(call.stack_pointer);
  } else {
    return;
  }
  const bool has_registers = registers[kFramePointer].has_value();
  const ReadMemory read = [&](uint64_t address, void* to, size_t size) {
    return code.HoldsConstant(address) ? memory.ReadConstant(address, to, size, pages) : memory.Read(address, to, size);
  };
  bool is_first = true;
  for (const uint64_t address :
       has_registers ? Unwind(code, registers, read).places : UnwindUnstopped(code, registers, read)) {
    // Return addresses lie behind the call.
    thread->frames.push_back(code.Find(is_first ? address : address - 1));
    is_first = false;
  }
}

}  // namespace

StoppedThread LookAtThread(int pid, int tid) { return Describe(pid, tid, ReadCall(pid, tid), Memory(pid)); }

std::optional<StoppedProcess> LookAtProcess(int pid) {
  StoppedProcess process;
  process.pid = pid;
  const std::vector<int> tids = NumbersIn("/proc/" + std::to_string(pid) + "/task");
  if (tids.empty()) return std::nullopt;
  process.program = ReadLink("/proc/" + std::to_string(pid) + "/exe");
  CodeMap code;
  if (!code.ReadProcess(pid)) process.problems.emplace_back("its memory map may not be read: no stacks");
  std::unordered_map<uint64_t, std::string> pages;
  for (const int tid : tids) {
    const CallAtHand call = ReadCall(pid, tid);
    StoppedThread thread = Describe(pid, tid, call, Memory(pid));
    if (!code.mappings().empty()) ReadStack(pid, call, code, &pages, &thread);
    process.threads.push_back(std::move(thread));
  }
  return process;
}

PipeHolders::PipeHolders() {
  constexpr std::string_view kPipe = "pipe:[";
  for (const int pid : NumbersIn("/proc")) {
    for (const int fd : NumbersIn("/proc/" + std::to_string(pid) + "/fd")) {
      std::string link = DescriptorLink(pid, fd);
      if (link.starts_with(kPipe)) ends_[std::move(link)].push_back({pid, fd});
    }
  }
}

const std::vector<PipeHolder>& PipeHolders::Of(const std::string& link) {
  const auto [known, is_new] = holders_.try_emplace(link);
  std::vector<PipeHolder>& holders = known->second;
  if (!is_new) return holders;
  const auto ends = ends_.find(link);
  if (ends == ends_.end()) return holders;
  for (const auto& [pid, fd] : ends->second) {
    const std::string directory = "/proc/" + std::to_string(pid) + "/";
    std::istringstream lines(ReadFileText(directory + "fdinfo/" + std::to_string(fd)).text);
    std::string word;
    int flags = 0;
    while (lines >> word) {
      if (word == "flags:") lines >> std::oct >> flags;
    }
    const int mode = flags & O_ACCMODE;
    std::string program = ReadFileText(directory + "comm").text;
    while (!program.empty() && program.back() == '\n') program.pop_back();
    holders.push_back({pid, program, fd, mode != O_RDONLY, mode != O_WRONLY});
  }
  return holders;
}

}  // namespace fdaudit::analyzer
