#pragma once

// What can keep an audit from working: the checks behind `doctor`, and run's answer when nothing was recorded.

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

/// Whether this machine lets programs be audited. `shim`: as in FindShim.
std::vector<Check> CheckMachine(const std::string& shim);

/// Whether this program can be.
Check CheckProgramFile(const std::string& name);

/// The likeliest reason why a program that ran left no trace in `directory`: a sentence without a full stop.
std::string WhyNothingRecorded(const TargetInfo& target, const std::string& directory);

}  // namespace fdaudit::analyzer
