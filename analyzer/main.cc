// fdaudit: the command line. Finds the command in the table and hands the rest to it.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/version.h"

namespace fdaudit::analyzer {
namespace {

/// Keeps 0, 1 and 2 occupied where we were started without them: otherwise the first file we open would be our standard
/// error. Close-on-exec, so that a program we run finds them closed as it would without us.
void OccupyStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one.
    if (open("/dev/null", O_RDWR | O_CLOEXEC) != fd) return;
  }
}

void PrintHelp(std::FILE* out) {
  std::fputs(
      "Usage: fdaudit COMMAND [OPTION…] …\n\n"
      "Shows where a program opens, closes, leaks and double-closes each file descriptor.\n\nCommands:\n",
      out);
  for (const Command& command : Commands()) std::fprintf(out, "  %-9s %s\n", command.name, command.summary);
  std::fputs("\n`fdaudit COMMAND --help` shows a command's options. To start: fdaudit run PROGRAM\n", out);
}

int UnknownCommand(const std::string& word) {
  std::vector<std::string> names;
  for (const Command& command : Commands()) names.emplace_back(command.name);
  const std::string meant = Closest(word, names);
  std::string message = (word.front() == '-' ? "unknown option '" : "unknown command '") + word + "'";
  if (!meant.empty() && word.front() != '-') message += ", did you mean '" + meant + "'?";
  Complain(message, 0);
  std::fputs("Try `fdaudit --help`.\n", stderr);
  return kExitUsage;
}

int Main(int argc, char** argv) {
  OccupyStandardDescriptors();
  if (argc < 2 || argv[1][0] == '\0') {
    PrintHelp(stderr);
    return kExitUsage;
  }
  const std::string_view word = argv[1];
  if (word == "--help" || word == "-h" || word == "help") {
    PrintHelp(stdout);
    return kExitOk;
  }
  if (word == "--version") {
    std::printf("fdaudit %s\n", kVersion);
    return kExitOk;
  }
  for (const Command& command : Commands()) {
    if (word == command.name) return command.run(argc - 1, argv + 1);
  }
  return UnknownCommand(argv[1]);
}

}  // namespace
}  // namespace fdaudit::analyzer

int main(int argc, char** argv) {
  try {
    return fdaudit::analyzer::Main(argc, argv);
  } catch (const std::exception& error) {
    // Out of memory, or a bug of ours: say so instead of abort's core dump. In `run` the contract's 125.
    const bool in_run = argc > 1 && std::string_view(argv[1]) == "run";
    return fdaudit::analyzer::Complain(std::string("failed: ") + error.what(),
                                       in_run ? fdaudit::analyzer::kExitRunFailed : fdaudit::analyzer::kExitUnreadable);
  }
}
