#pragma once

// Where the shim lies, and the environment that makes a program load it.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fdaudit::analyzer {

/// The shim's absolute path: `wanted` where not empty, else beside this program, or under ../lib/fdaudit/ of it.
/// Nothing where there is none; `problem` says where it was sought.
std::optional<std::string> FindShim(const std::string& wanted, std::string* problem);

/// One option of the shim: name and value.
using ShimOption = std::pair<std::string, std::string>;

struct AuditEnvironment {
  std::string shim;
  std::vector<std::string> needed;  ///< DT_NEEDED of the program, sanitizers among them
  std::vector<ShimOption> options;  ///< they replace the same ones in the caller's FDAUDIT_OPTIONS
};

/// This process's environment with LD_PRELOAD, FDAUDIT_OPTIONS and, where needed, ASAN_OPTIONS for the child, entries
/// as execve(2) wants them. `problem` is set where the options can't be put in one variable.
std::vector<std::string> MakeEnvironment(const AuditEnvironment& audit, std::string* problem);

/// The value of an option in the caller's FDAUDIT_OPTIONS; empty where it is not there.
std::string InheritedOption(const std::string& name);

struct Preload {
  std::string list;
  size_t ahead = 0;  ///< its first bytes that are for the program alone: the shim takes them away from its children
};

/// What LD_PRELOAD becomes: the sanitizer's runtime that the program needs, so that its reports name the program's
/// functions and not the shim's; sanitizer runtimes that were there before; the shim; the rest of what was there.
Preload MakePreload(const std::string& before, const std::string& shim, const std::vector<std::string>& needed);

/// What ASAN_OPTIONS becomes where the program needs a sanitizer's library. Those that it starts may need it, too, get
/// the shim first, and may have an __asan_default_options() that hides the shim's (shim/families/sanitizers.cc).
std::string MakeSanitizerOptions(const std::string& before);

/// What FDAUDIT_OPTIONS becomes: what was there before, without what `options` set again, then these.
std::string MakeShimOptions(const std::string& before, const std::vector<ShimOption>& options);

}  // namespace fdaudit::analyzer
