// fdaudit doctor: can this program be audited here, and if nothing was recorded, why.

#include <cstdio>
#include <string>
#include <vector>

#include "analyzer/commands/command.h"
#include "analyzer/commands/diagnosis.h"
#include "analyzer/commands/options.h"
#include "analyzer/output/escape.h"

namespace fdaudit::analyzer {
namespace {

void Print(const Check& check) {
  constexpr const char* kResults[] = {"ok", "note", "PROBLEM"};
  std::printf("%-8s %s: %s\n", kResults[static_cast<int>(check.result)], EscapeForTerminal(check.subject).c_str(),
              EscapeForTerminal(check.found).c_str());
  if (!check.advice.empty()) std::printf("         -> %s\n", EscapeForTerminal(check.advice).c_str());
}

}  // namespace

int DoctorCommand(int argc, char** argv) {
  CommandLine line(
      "Checks whether programs can be audited on this machine, and PROGRAM in particular. Runs nothing of yours.",
      "fdaudit doctor");
  std::string shim;
  std::string program;
  line.Add({{.names = "--shim", .target = &shim, .help = "the shim, where it is not beside fdaudit", .type = "FILE"},
            {.names = "PROGRAM", .target = &program, .help = "a program, as you would call it"}});
  int status = kExitOk;
  if (!line.Parse(argc, argv, kExitUsage, &status)) return status;
  std::vector<Check> checks = CheckMachine(shim);
  if (!program.empty()) checks.push_back(CheckProgramFile(program));
  bool all_well = true;
  for (const Check& check : checks) {
    Print(check);
    all_well &= check.result != Check::Result::kProblem;
  }
  const std::string what = program.empty() ? "Programs" : EscapeForTerminal(program);
  std::printf("\n%s %s be audited here.\n", what.c_str(), all_well ? "can" : "cannot");
  return kExitOk;
}

}  // namespace fdaudit::analyzer
