#pragma once

// "#!" lines, read as the kernel and env(1) read them.

#include <string>
#include <string_view>

namespace fdaudit::analyzer {

/// What a "#!" line asks for.
struct ScriptLine {
  std::string interpreter;  ///< empty: no usable line, the kernel refuses the file with ENOEXEC
  std::string argument;     ///< the rest of the line, one argument; may be empty
};

/// Bytes of a file that the kernel looks at.
inline constexpr size_t kScriptHead = 256;

/// Reads the line that begins `head`, the first kScriptHead bytes of a file (fewer: all of it).
ScriptLine ParseScriptLine(std::string_view head);

/// NAME in "env [-S] [option…] [VARIABLE=value…] NAME …": `argument` of a script whose interpreter is env(1). Empty
/// where there is none.
std::string ProgramOfEnv(const std::string& argument);

}  // namespace fdaudit::analyzer
