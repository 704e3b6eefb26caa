#include "analyzer/commands/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iterator>

namespace fdaudit::analyzer {
namespace {

// Alternate screen, no cursor, no wrapping: what is too long is cut off, however wide the terminal thinks it is.
constexpr char kEnter[] = "\033[?1049h\033[?25l\033[?7l";
constexpr char kLeave[] = "\033[?7h\033[?25h\033[?1049l";

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
volatile sig_atomic_t ending = 0;
volatile sig_atomic_t stopping = 0;
volatile sig_atomic_t resized = 0;

void Note(int signal) {
  if (signal == SIGTSTP) {
    stopping = 1;
  } else if (signal == SIGWINCH) {
    resized = 1;
  } else {
    ending = signal;
  }
}

/// Signals come while Wait() waits, and not in the middle of a drawing.
sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kEnding) sigaddset(&set, signal);
  sigaddset(&set, SIGTSTP);
  sigaddset(&set, SIGWINCH);
  return set;
}

void WriteAll(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (written < 0 && errno != EINTR && errno != EAGAIN) return;
    if (written > 0) at += static_cast<size_t>(written);
  }
}

winsize SizeOf() {
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {24, 80, 0, 0};
  return size;
}

}  // namespace

FullScreen::FullScreen() : has_keys_(isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before_) == 0) {
  const sigset_t watched = Watched();
  sigprocmask(SIG_BLOCK, &watched, nullptr);
  struct sigaction action = {};
  action.sa_handler = Note;
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigismember(&watched, signal) == 1) sigaction(signal, &action, nullptr);
  }
  Enter();
}

FullScreen::~FullScreen() {
  Leave();
  for (const int signal : kEnding) std::signal(signal, SIG_DFL);
  const sigset_t watched = Watched();
  sigprocmask(SIG_UNBLOCK, &watched, nullptr);
}

void FullScreen::Enter() {
  if (has_keys_) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  WriteAll(kEnter);
}

void FullScreen::Leave() {
  WriteAll(kLeave);
  if (has_keys_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void FullScreen::Draw(const std::string& text) { WriteAll(text); }
int FullScreen::rows() const { return SizeOf().ws_row; }
int FullScreen::columns() const { return SizeOf().ws_col; }

/// True where the screen has to be drawn again.
bool FullScreen::HandleSignals() {
  if (ending != 0) {
    // Die of it, so that the caller sees what happened.
    Leave();
    std::signal(ending, SIG_DFL);
    raise(ending);
    sigset_t watched = Watched();
    sigprocmask(SIG_UNBLOCK, &watched, nullptr);
  }
  if (stopping != 0) {
    stopping = 0;
    Leave();
    raise(SIGSTOP);
    Enter();
    return true;
  }
  const bool was_resized = resized != 0;
  resized = 0;
  return was_resized;
}

KeyPress FullScreen::NextKey() {
  struct Sequence {
    const char* bytes;
    Key key;
  };
  constexpr Sequence kSequences[] = {
      {"\033[A", Key::kUp},      {"\033[B", Key::kDown},      {"\033OA", Key::kUp},      {"\033OB", Key::kDown},
      {"\033[5~", Key::kPageUp}, {"\033[6~", Key::kPageDown}, {"\033[H", Key::kHome},    {"\033[F", Key::kEnd},
      {"\033OH", Key::kHome},    {"\033OF", Key::kEnd},       {"\033[1~", Key::kHome},   {"\033[4~", Key::kEnd},
      {"\r", Key::kEnter},       {"\n", Key::kEnter},         {"\177", Key::kBackspace}, {"\b", Key::kBackspace}};
  for (const Sequence& sequence : kSequences) {
    if (!typed_.starts_with(sequence.bytes)) continue;
    typed_.erase(0, std::string(sequence.bytes).size());
    return {sequence.key, ""};
  }
  if (typed_[0] == '\033') {
    // Alone it is the key; else a sequence that means nothing here.
    size_t length = 1;
    if (typed_.size() > 1 && (typed_[1] == '[' || typed_[1] == 'O')) {
      length = 2;
      while (length < typed_.size() && (typed_[length] < '@' || typed_[length] > '~')) ++length;
      length = std::min(length + 1, typed_.size());
    }
    typed_.erase(0, length);
    return {length == 1 ? Key::kEscape : Key::kNone, ""};
  }
  size_t length = 1;
  while (length < typed_.size() && (static_cast<unsigned char>(typed_[length]) & 0xc0) == 0x80) ++length;
  KeyPress press{Key::kCharacter, typed_.substr(0, length)};
  typed_.erase(0, length);
  if (static_cast<unsigned char>(press.text[0]) < 0x20) press = {};
  return press;
}

KeyPress FullScreen::Wait(int milliseconds) {
  if (!typed_.empty()) return NextKey();
  if (HandleSignals()) return {Key::kResized, ""};
  pollfd input = {has_keys_ ? STDIN_FILENO : -1, POLLIN, 0};
  const timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  sigset_t none;
  sigprocmask(SIG_SETMASK, nullptr, &none);
  for (int signal = 1; signal < NSIG; ++signal) {
    const sigset_t watched = Watched();
    if (sigismember(&watched, signal) == 1) sigdelset(&none, signal);
  }
  const int ready = ppoll(&input, 1, &timeout, &none);
  if (HandleSignals()) return {Key::kResized, ""};
  if (ready <= 0) return {};
  char bytes[64];
  const ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
  if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return {Key::kClosed, ""};
  if (got < 0) return {};
  typed_.assign(bytes, static_cast<size_t>(got));
  return NextKey();
}

}  // namespace fdaudit::analyzer
