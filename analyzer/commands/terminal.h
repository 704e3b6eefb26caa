#pragma once

// The terminal of a command that draws over the whole screen: keys as they are typed, another screen than the shell's,
// and everything as it was on every way out. Plain termios and ANSI sequences.

#include <termios.h>

#include <string>

namespace fdaudit::analyzer {

enum class Key {
  kNone,
  kCharacter,
  kUp,
  kDown,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kEnter,
  kEscape,
  kBackspace,
  kResized,
  kClosed
};

struct KeyPress {
  Key key = Key::kNone;  ///< kNone: the time is over
  std::string text;      ///< kCharacter: one character, or as much of it as came
};

class FullScreen {
 public:
  /// Takes the terminal over: keys from standard input, where that is one, and drawing to standard output.
  FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();

  /// Waits. A signal that ends programs restores the terminal and ends this one; SIGTSTP stops it meanwhile.
  KeyPress Wait(int milliseconds);
  void Draw(const std::string& text);
  int rows() const;
  int columns() const;

 private:
  void Enter();
  void Leave();
  bool HandleSignals();
  KeyPress NextKey();

  termios before_{};
  bool has_keys_;
  std::string typed_;  // read, and not taken yet
};

}  // namespace fdaudit::analyzer
