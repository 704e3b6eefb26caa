#pragma once

// Why the ledger may know less than the kernel, and why a program that exec started was not audited: each reason's name
// in reports, and its sentence for people.

#include <string>
#include <vector>

#include "analyzer/model/process.h"

namespace fdaudit::analyzer {

struct Reason {
  const char* name;
  const char* text;  ///< a sentence; of an exec's problem its end, whose subject is the program
};

/// Of a process's coverage, without what its exec met.
std::vector<Reason> LedgerReasons(uint32_t reasons);

/// Nothing was audited of what the process started by exec.
bool HasUnauditedExec(const Process& process);
Reason ReasonOf(trace::ExecProblem problem);
/// What exec started could be audited, and ended before that began (Process::exec_ended_early).
extern const Reason kExecEndedEarly;

/// Names of all reasons of a process.
std::vector<std::string> ReasonNames(const Process& process);

}  // namespace fdaudit::analyzer
