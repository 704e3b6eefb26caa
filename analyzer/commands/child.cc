#include "analyzer/commands/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>

namespace fdaudit::analyzer {
namespace {

constexpr int kPassedOn[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM};

volatile sig_atomic_t child_pid = 0;

/// What a terminal sends (Ctrl-C) goes to the whole process group, the program included. What a process sends to us
/// (kill) is meant for the program.
void PassOn(int signal, siginfo_t* info, void*) {
  const int saved = errno;
  const bool from_a_process = info->si_code == SI_USER || info->si_code == SI_QUEUE || info->si_code == SI_TKILL;
  if (from_a_process && child_pid != 0) kill(static_cast<pid_t>(child_pid), signal);
  errno = saved;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// Signals around the child's life. All are blocked while dispositions change, so that none is lost or misdirected.
class SignalScope {
 public:
  SignalScope() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old_mask_);
    // An ignored SIGCHLD would have the kernel reap the child behind our back. In effect before the fork; the child
    // gets the old one back.
    struct sigaction child_action = {};
    child_action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &child_action, &old_child_);
  }
  ~SignalScope() {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
    for (size_t i = 0; i < installed_; ++i) sigaction(kPassedOn[i], &old_[i], nullptr);
    RestoreForChild();
  }
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  /// In the child: as it was before us.
  void RestoreForChild() {
    sigaction(SIGCHLD, &old_child_, nullptr);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
  }

  /// In the parent, once the child exists.
  void PassOnTo(pid_t pid) {
    child_pid = pid;
    struct sigaction action = {};
    action.sa_sigaction = PassOn;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    for (; installed_ < std::size(kPassedOn); ++installed_) {
      sigaction(kPassedOn[installed_], &action, &old_[installed_]);
    }
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);
    // Even where we were started with them blocked: the program has them blocked too, so they wait there, not here.
    sigset_t passed_on;
    sigemptyset(&passed_on);
    for (const int signal : kPassedOn) sigaddset(&passed_on, signal);
    sigprocmask(SIG_UNBLOCK, &passed_on, nullptr);
  }

 private:
  sigset_t old_mask_;
  struct sigaction old_child_ = {};
  std::array<struct sigaction, std::size(kPassedOn)> old_ = {};
  size_t installed_ = 0;
};

[[noreturn]] void ExecInChild(const std::vector<char*>& argv, const std::vector<char*>& environment, int report_fd) {
  execvpe(argv[0], argv.data(), environment.data());
  const int error = errno;
  if (write(report_fd, &error, sizeof error) != sizeof error) _exit(126);
  _exit(127);
}

/// errno of the exec, through a pipe that a successful exec closes; 0 = it went well.
int ReadExecError(int fd) {
  int error = 0;
  ssize_t n;
  do {
    n = read(fd, &error, sizeof error);
  } while (n < 0 && errno == EINTR);
  return n == static_cast<ssize_t>(sizeof error) ? error : 0;
}

int WaitFor(pid_t pid) {
  siginfo_t info;
  // Without reaping: until `child_pid` is cleared the pid must not become somebody else's.
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  child_pid = 0;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

ChildResult RunChild(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  ChildResult result;
  const std::vector<char*> argv_pointers = Pointers(argv);
  const std::vector<char*> environment_pointers = Pointers(environment);
  int exec_report[2];
  if (pipe2(exec_report, O_CLOEXEC) != 0) {
    result.fork_error = errno;
    return result;
  }
  {
    SignalScope signals;
    result.pid = fork();
    if (result.pid == 0) {
      signals.RestoreForChild();
      ExecInChild(argv_pointers, environment_pointers, exec_report[1]);
    }
    result.fork_error = result.pid < 0 ? errno : 0;
    close(exec_report[1]);
    if (result.pid > 0) {
      signals.PassOnTo(result.pid);
      result.exec_error = ReadExecError(exec_report[0]);
      result.wait_status = WaitFor(result.pid);
    }
  }
  close(exec_report[0]);
  return result;
}

}  // namespace fdaudit::analyzer
