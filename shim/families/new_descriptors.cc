#include "shim/families/new_descriptors.h"

#include <csignal>
#include <ctime>

#include "shim/base/text.h"
#include "shim/ledger/received.h"
#include "shim/stack/range.h"

namespace fdaudit::shim {
namespace {

constexpr const char* kSignalNames[] = {
    nullptr,     "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
    "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
    "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};
constexpr int kFirstRealtime = 34;  // SIGRTMIN of every libc that uses two for its threads
constexpr size_t kMostSignals = 5;

constexpr const char* kClockNames[] = {
    "CLOCK_REALTIME",       "CLOCK_MONOTONIC",     nullptr, nullptr, nullptr, nullptr, nullptr, "CLOCK_BOOTTIME",
    "CLOCK_REALTIME_ALARM", "CLOCK_BOOTTIME_ALARM"};

constexpr char kProcessPrefix[] = "process ";

/// Two texts as one, of which the end is kept where it is too long. `first` fits a TargetText, and may be this one.
const char* Joined(const char* first, const char* second, TargetText& text) {
  constexpr char kCut[] = "...";
  if (strnlen(second, sizeof text) == sizeof text) return second;  // is cut when it is recorded
  char both[2 * sizeof text];
  TextBuilder builder(both, sizeof both);
  const size_t length = builder.Add(first).Add(second).size();
  if (length < sizeof text) {
    memcpy(text, both, length + 1);
  } else {
    memcpy(text, both + length + 1 - sizeof text, sizeof text);
    memcpy(text, kCut, sizeof kCut - 1);
  }
  return text;
}

void AddSignal(TextBuilder& text, int signal) {
  if (signal < static_cast<int>(sizeof kSignalNames / sizeof *kSignalNames)) {
    text.Add(kSignalNames[signal]);
  } else if (signal >= kFirstRealtime) {
    text.Add("SIGRTMIN+").Add(static_cast<uint64_t>(signal - kFirstRealtime));
  } else {
    text.Add("signal ").Add(static_cast<uint64_t>(signal));
  }
}

}  // namespace

NewDescriptor NewFileAt(int directory, const char* path, int flags, TargetText& text) {
  NewDescriptor what = NewFile(path, flags);
  if (directory == AT_FDCWD || path[0] == '/') return what;
  RecordedTarget(directory, text);
  const size_t length = strlen(text);
  if (length == 0) return what;
  if (text[length - 1] != '/') Joined(text, "/", text);
  what.target = Joined(text, path, text);
  return what;
}

NewDescriptor NewMemoryFile(const char* name, unsigned flags, TargetText& text) {
  constexpr unsigned kCloseOnExec = 1;  // MFD_CLOEXEC
  return NewObject(trace::FdKind::kMemFd, (flags & kCloseOnExec) != 0, Joined("memfd:", name, text));
}

NewDescriptor NewSharedMemory(const char* name, TargetText& text) {
  while (*name == '/') ++name;
  return NewObject(trace::FdKind::kSharedMemory, true, Joined("/dev/shm/", name, text));
}

NewDescriptor NewSocket(int domain, int type, TargetText& text) {
  NewDescriptor what = NewSocket(domain, type);
  TextBuilder words(text, sizeof text);
  AddSocket(words, what.detail, {});
  what.target = text;
  return what;
}

NewDescriptor NewSocketPair(int domain, int type) {
  NewDescriptor what = NewSocket(domain, type);
  what.detail |= trace::kSocketPaired;
  return what;
}

AddressRoom RoomFor(const sockaddr* address, const socklen_t* size, uintptr_t frame) {
  const auto place = reinterpret_cast<uintptr_t>(size);
  if (address == nullptr || place % alignof(socklen_t) != 0) return {address, size, 0};
  return {address, size, StackRange(frame).Covers(place & ~uintptr_t{7}) ? *size : 0};
}

NewDescriptor NewConnection(int listener, const AddressRoom& from, int flags, TargetText& text) {
  NewDescriptor what = NewObject(trace::FdKind::kSocket, (flags & SOCK_CLOEXEC) != 0, text);
  NewDescriptor listening;
  TargetText local;
  TargetText peer;
  RecordedDescriptor(listener, &listening, text);
  what.detail = static_cast<uint16_t>((listening.detail & ~trace::kSocketListening) | trace::kSocketAccepted);
  CopyLocalName(text, local);
  TextBuilder name(peer, sizeof peer);
  if (from.room != 0) AddAddress(name, from.address, *from.size < from.room ? *from.size : from.room);
  TextBuilder words(text, sizeof text);
  AddSocket(words, what.detail, {local, peer});
  return what;
}

NewDescriptor NewEvent(unsigned initial, int flags, TargetText& text) {
  constexpr int kSemaphore = 1;  // EFD_SEMAPHORE
  TextBuilder(text, sizeof text)
      .Add((flags & kSemaphore) != 0 ? "semaphore, from " : "counter, from ")
      .Add(static_cast<uint64_t>(initial));
  return NewObject(trace::FdKind::kEventFd, (flags & O_CLOEXEC) != 0, text);
}

NewDescriptor NewSignals(const void* mask, int flags, TargetText& text) {
  uint64_t signals;
  memcpy(&signals, mask, sizeof signals);
  const auto count = static_cast<size_t>(__builtin_popcountll(signals));
  TextBuilder names(text, sizeof text);
  size_t shown = 0;
  for (; signals != 0 && shown < kMostSignals; signals &= signals - 1, ++shown) {
    AddSignal(names.Add(shown == 0 ? "" : ", "), __builtin_ctzll(signals) + 1);
  }
  if (count > shown) names.Add(" and ").Add(static_cast<uint64_t>(count - shown)).Add(" more");
  if (count == 0) names.Add("no signals");
  return NewObject(trace::FdKind::kSignalFd, (flags & O_CLOEXEC) != 0, text);
}

NewDescriptor NewTimer(int clock, int flags) {
  const bool known = clock >= 0 && static_cast<size_t>(clock) < sizeof kClockNames / sizeof *kClockNames;
  return NewObject(trace::FdKind::kTimerFd, (flags & O_CLOEXEC) != 0, known ? kClockNames[clock] : nullptr);
}

NewDescriptor NewFanotify(unsigned flags) {
  constexpr unsigned kCloseOnExec = 1;  // FAN_CLOEXEC
  constexpr unsigned kClassMask = 0xc;
  constexpr const char* kClasses[] = {"FAN_CLASS_NOTIF", "FAN_CLASS_CONTENT", "FAN_CLASS_PRE_CONTENT", nullptr};
  return NewObject(trace::FdKind::kFanotify, (flags & kCloseOnExec) != 0, kClasses[(flags & kClassMask) >> 2]);
}

bool AsksForPeerProcess(int level, int name) {
  constexpr int kPeerProcess = 77;  // SO_PEERPIDFD, Linux 6.5
  return level == SOL_SOCKET && name == kPeerProcess;
}

NewDescriptor NewPeerProcess(int socket, TargetText& text) {
  const int pid = PeerOf(socket);
  return pid > 0 ? NewProcess(pid, 0, text) : NewObject(trace::FdKind::kPidFd, true);
}

NewDescriptor NewProcess(int pid, unsigned flags, TargetText& text) {
  constexpr unsigned kThread = O_EXCL;  // PIDFD_THREAD
  TextBuilder(text, sizeof text)
      .Add((flags & kThread) != 0 ? "thread " : kProcessPrefix)
      .Add(static_cast<uint64_t>(pid));
  return NewObject(trace::FdKind::kPidFd, true, text);
}

NewDescriptor NewCopyFrom(int process) {
  NewDescriptor what = NewObject(trace::FdKind::kUnknown, true);
  what.flags |= trace::kReceived;
  what.related = 0;
  TargetText text;
  RecordedTarget(process, text);
  if (!StartsWith(text, kProcessPrefix)) return what;
  for (const char* digit = text + sizeof kProcessPrefix - 1; *digit >= '0' && *digit <= '9'; ++digit) {
    what.related = what.related * 10 + (*digit - '0');
  }
  return what;
}

NewDescriptor NewMountOf(int filesystem, bool close_on_exec, TargetText& text) {
  RecordedTarget(filesystem, text);
  return NewMount(text, close_on_exec);
}

}  // namespace fdaudit::shim
