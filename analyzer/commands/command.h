#pragma once

// The table of commands that main walks, and what they share. Adding a command is one file and one line in the table.

#include <string>
#include <string_view>
#include <vector>

namespace fdaudit::analyzer {

/// Exit statuses of all commands but `run` (docs: the contract).
inline constexpr int kExitOk = 0;
inline constexpr int kExitGateFailed = 1;  ///< of gate, diff and run --gate
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreadable = 3;
inline constexpr int kExitEvidenceLost = 4;  ///< of gate, diff and run --gate, where no finding fails them
/// Of `run`, besides the program's own.
inline constexpr int kExitRunFailed = 125;
inline constexpr int kExitNotAudited = 126;
inline constexpr int kExitNotFound = 127;

struct Command {
  const char* name;
  const char* summary;
  int (*run)(int argc, char** argv);  ///< argv[0] is the command's name
};

const std::vector<Command>& Commands();

int RunCommand(int argc, char** argv);
int ReportCommand(int argc, char** argv);
int GateCommand(int argc, char** argv);
int DiffCommand(int argc, char** argv);
int DumpCommand(int argc, char** argv);
int WatchCommand(int argc, char** argv);
int DoctorCommand(int argc, char** argv);
int ExplainCommand(int argc, char** argv);
int ViewCommand(int argc, char** argv);
int ArchiveCommand(int argc, char** argv);

/// "fdaudit: MESSAGE" on standard error; returns `status`.
int Complain(const std::string& message, int status);

/// The candidate that `word` was most probably meant to be; empty where none is near.
std::string Closest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace fdaudit::analyzer
