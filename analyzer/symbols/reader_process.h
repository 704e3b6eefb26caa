#pragma once

// A child process that reads files of unknown make for this one, under limits: what it takes of memory and processor
// time is bounded by what the files weigh on the disk, and where one makes it crash, that is the end of the child
// alone.
//
// It answers one question at a time, over a socket, and ends when its parent does. Files that it opens add to its
// budget (AllowFor): 16 times their size, and a second of processor time for every 2 MB.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fdaudit::analyzer {

class ReaderProcess {
 public:
  /// Runs in the child, for every question.
  using Answer = std::function<std::string(std::string_view question)>;

  /// Starts the child. To be called while this process has one thread.
  explicit ReaderProcess(const std::function<Answer()>& make_answer);
  ~ReaderProcess();
  ReaderProcess(const ReaderProcess&) = delete;
  ReaderProcess& operator=(const ReaderProcess&) = delete;

  /// Nothing: the child could not be started, has died or takes too long. It is of no use any more.
  std::optional<std::string> Ask(std::string_view question);

  /// In the child: it is about to read the file behind `fd`. Anywhere else it does nothing.
  static void AllowFor(int fd);

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
};

}  // namespace fdaudit::analyzer
