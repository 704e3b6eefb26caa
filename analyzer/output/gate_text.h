#pragma once

// What the gate says to a person: each finding that fails it, what is tolerated, and the verdict.

#include <string>
#include <vector>

#include "analyzer/gate/gate.h"

namespace fdaudit::analyzer {

/// "fdaudit gate: fails: 1 new finding …", and what a baseline and suppressions have to do with it.
std::string RenderVerdict(const Verdict& verdict, const std::vector<Subject>& subjects);

/// The findings that fail, a line or two each, and the verdict.
std::string RenderGateText(const Verdict& verdict, const std::vector<Subject>& subjects);

/// Lines for a suppressions file: one for each finding that fails.
std::string RenderSuppressions(const std::vector<Subject>& subjects);

}  // namespace fdaudit::analyzer
