#pragma once

// Can this program be audited? Answered from the file alone, before anything runs: the shim lives by LD_PRELOAD, which
// reaches dynamically linked programs of this machine and of glibc, and no program that gains privileges.

#include <string>
#include <vector>

namespace fdaudit::analyzer {

/// What execvp(3) would run for a name. From `is_elf` on, the fields describe the ELF file that the kernel loads in the
/// end: of a script its interpreter (of "#!/usr/bin/env NAME" the program NAME).
struct TargetInfo {
  bool exists = false;
  bool executable = false;  ///< a regular file that this user may execute
  bool is_directory = false;
  bool is_script = false;
  bool is_elf = false;
  bool is_dynamic = false;       ///< has a dynamic linker (PT_INTERP), or is one
  bool is_set_id = false;        ///< set-user-ID, set-group-ID or file capabilities
  bool foreign_machine = false;  ///< another CPU, or 32 bits
  bool foreign_libc = false;     ///< its dynamic linker is not glibc's (musl, bionic)
  bool is_go = false;
  std::string path;                 ///< where the name was found, as execvp(3) would pass it to execve(2)
  std::string interpreter;          ///< of a script: the program that reads it, resolved; else empty
  std::vector<std::string> needed;  ///< DT_NEEDED, in order
  std::string problem;              ///< why it cannot be audited or run, a sentence without a full stop; empty = it can
  std::string advice;               ///< what to do about it, or what an audit will not see; may be empty
};

/// Looks `name_or_path` up as execvp(3) does (a name with a slash is a path, any other is sought in PATH) and inspects
/// it. Runs nothing. A damaged file is reported in `problem`.
TargetInfo InspectProgram(const std::string& name_or_path);

}  // namespace fdaudit::analyzer
