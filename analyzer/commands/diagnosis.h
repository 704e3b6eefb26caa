#pragma once

// What can keep an audit from working: the checks behind `doctor`, and run's answer when nothing was recorded.

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/target/elf_target.h"

namespace fdaudit::analyzer {

struct Check {
  enum class Result { kOk, kNote, kProblem };
  std::string subject;
  Result result = Result::kOk;
  std::string found;   ///< what is the case
  std::string advice;  ///< what to do; empty where nothing needs to be done
};

/// Seccomp filters that this process has, and what it starts will have; 0 = none.
uint64_t SeccompFilters();

/// Whether a program under the shim survives these filters: one that does nothing is run. True also where that can't be
/// tried for another reason.
bool SurvivesFilters(const std::string& shim);

/// Whether this machine lets programs be audited. `shim`: as in FindShim.
std::vector<Check> CheckMachine(const std::string& shim);

/// Whether this program can be.
Check CheckProgramFile(const std::string& name);

/// The likeliest reason why a program that ran left no trace in `directory`: a sentence without a full stop.
std::string WhyNothingRecorded(const TargetInfo& target, const std::string& directory);

}  // namespace fdaudit::analyzer
