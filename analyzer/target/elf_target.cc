#include "analyzer/target/elf_target.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "analyzer/symbols/regular_file.h"
#include "analyzer/target/elf_reader.h"
#include "analyzer/target/script.h"

namespace fdaudit::analyzer {
namespace {

#if defined(__x86_64__)
constexpr uint16_t kThisMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr uint16_t kThisMachine = EM_AARCH64;
#else
#error "fdaudit is for x86-64 and aarch64"
#endif

constexpr char kShell[] = "/bin/sh";  // execvp(3) gives it what the kernel refuses with ENOEXEC
constexpr int kMaxInterpreters = 5;   // the kernel's limit

constexpr char kGoAdvice[] =
    "Go code makes system calls itself, past libc, in every build: only what C parts (cgo) of a dynamically linked "
    "build open can be recorded";

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// The error with which execve(2) would refuse the file at once; 0 where it would look inside.
int ExecError(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

std::vector<std::string> SearchPath() {
  const char* variable = std::getenv("PATH");
  std::string rest = variable ? variable : "/bin:/usr/bin";
  std::vector<std::string> dirs;
  for (size_t colon = 0; colon != std::string::npos; rest.erase(0, colon + 1)) {
    colon = rest.find(':');
    dirs.push_back(rest.substr(0, colon));
    if (colon == std::string::npos) break;
  }
  return dirs;
}

// As execvp(3): the first that may be executed; a file that may not be is passed over, but remembered for the message.
int FindProgram(const std::string& name, std::string* path) {
  *path = name;
  if (name.empty()) return ENOENT;
  if (name.find('/') != std::string::npos) return ExecError(name);
  bool is_denied = false;
  for (const std::string& dir : SearchPath()) {
    std::string candidate = dir;
    if (!dir.empty()) candidate += '/';
    candidate += name;
    int error = ExecError(candidate);
    bool goes_on = error == EACCES || error == ENOENT || error == ESTALE || error == ENOTDIR || error == ENODEV ||
                   error == ETIMEDOUT;
    if (!goes_on || (error == EACCES && !is_denied)) *path = candidate;
    if (!goes_on) return error;
    is_denied |= error == EACCES;
  }
  return is_denied ? EACCES : ENOENT;
}

std::string MachineName(const ElfSummary& elf) {
  switch (elf.machine) {
    case EM_X86_64:
      return elf.is_64_bit ? "x86-64" : "x32";
    case EM_386:
      return "32-bit x86";
    case EM_AARCH64:
      return "aarch64";
    case EM_ARM:
      return "32-bit ARM";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC";
    case EM_S390:
      return "s390";
    default:
      return "another CPU (ELF machine " + std::to_string(elf.machine) + ")";
  }
}

// glibc's dynamic linker is called ld-linux-x86-64.so.2 and the like; LSB and hand-made builds have further names.
bool IsGlibcLinker(const std::string& path) {
  std::string name = BaseName(path);
  return name.starts_with("ld-linux") || name.starts_with("ld-lsb") || name.starts_with("ld-2.") ||
         name.starts_with("ld.so");
}

std::string ForeignLibcName(const std::string& linker) {
  std::string name = BaseName(linker);
  if (name.starts_with("ld-musl")) return "musl";
  if (name == "linker" || name == "linker64") return "Android's libc";
  if (name.starts_with("ld-uClibc")) return "uClibc";
  return "another libc than glibc";
}

void Refuse(TargetInfo* info, const std::string& problem, const std::string& advice) {
  info->problem = problem;
  info->advice = advice;
}

// Privileges of the file itself: in such programs the dynamic linker ignores LD_PRELOAD.
void CheckPrivileges(const std::string& path, TargetInfo* info) {
  constexpr char kWhy[] = ": the dynamic linker preloads nothing into programs that gain privileges";
  constexpr char kCopy[] = "audit a copy (cp leaves the privilege behind), started by a user who needs none";
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return;
  bool is_set_group = (status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
  bool has_capabilities = getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
  if (status.st_mode & S_ISUID) {
    Refuse(info, path + " is set-user-ID" + kWhy, kCopy);
  } else if (is_set_group) {
    Refuse(info, path + " is set-group-ID" + kWhy, kCopy);
  } else if (has_capabilities) {
    Refuse(info, path + " has file capabilities" + kWhy, kCopy);
  } else {
    return;
  }
  info->is_set_id = true;
}

void CheckLinker(const std::string& path, const ElfSummary& elf, TargetInfo* info) {
  // The dynamic linker started as a program honours LD_PRELOAD for what it loads.
  info->is_dynamic = !elf.interpreter.empty() || IsGlibcLinker(elf.soname);
  if (!info->is_dynamic) {
    return Refuse(
        info, path + " is statically linked: it has no dynamic linker that could load the shim",
        elf.is_go ? kGoAdvice : "build it without -static for the audit (Rust: for a -gnu target instead of -musl)");
  }
  if (elf.interpreter.empty()) return;
  info->foreign_libc = !IsGlibcLinker(elf.interpreter);
  if (info->foreign_libc) {
    return Refuse(info, path + " is built for " + ForeignLibcName(elf.interpreter) + " (" + elf.interpreter + ")",
                  "audit a build for glibc");
  }
  if (access(elf.interpreter.c_str(), F_OK) != 0) {
    Refuse(info, path + " needs the dynamic linker " + elf.interpreter + ", which is missing", "");
  }
}

void InspectElf(const std::string& path, int fd, TargetInfo* info) {
  ElfSummary elf = ReadElf(fd);
  info->is_elf = true;
  info->is_go = elf.is_go;
  info->needed = elf.needed;
  if (!elf.damage.empty()) return Refuse(info, path + " is a damaged ELF file: " + elf.damage, "");
  info->foreign_machine = !elf.is_64_bit || !elf.is_little_endian || elf.machine != kThisMachine;
  if (info->foreign_machine) {
    return Refuse(info, path + " is a program for " + MachineName(elf), "audit a build for this machine, 64 bits");
  }
  if (elf.type != ET_EXEC && elf.type != ET_DYN) return Refuse(info, path + " is an ELF file, but no program", "");
  CheckPrivileges(path, info);
  if (!info->problem.empty()) {
    info->is_dynamic = !elf.interpreter.empty();
    return;
  }
  CheckLinker(path, elf, info);
  if (info->problem.empty() && elf.is_go) info->advice = kGoAdvice;
}

void InspectFile(const std::string& path, int depth, TargetInfo* info);

void InspectInterpreter(const std::string& path, const std::string& interpreter, int depth, TargetInfo* info) {
  info->is_script = true;
  std::string found;
  int error = FindProgram(interpreter, &found);
  info->interpreter = found;
  if (error != 0) {
    return Refuse(info, path + " is a script for " + interpreter + ": " + std::strerror(error), "");
  }
  if (depth >= kMaxInterpreters) return Refuse(info, path + " has too many interpreters in a row", "");
  InspectFile(found, depth + 1, info);
}

void InspectScript(const std::string& path, const ScriptLine& line, int depth, TargetInfo* info) {
  // Names in a "#!" line are paths, also without a slash.
  bool is_path = line.interpreter.find('/') != std::string::npos;
  InspectInterpreter(path, is_path ? line.interpreter : "./" + line.interpreter, depth, info);
  if (BaseName(line.interpreter) != "env" || !info->problem.empty()) return;
  if (std::string name = ProgramOfEnv(line.argument); !name.empty()) {
    TargetInfo script = *info;
    *info = TargetInfo{};
    info->exists = script.exists;
    info->executable = script.executable;
    info->path = script.path;
    InspectInterpreter(path, name, depth, info);
  }
}

void InspectFile(const std::string& path, int depth, TargetInfo* info) {
  int fd = OpenRegularFile(path);
  if (fd < 0) {  // may be executed, but not read
    CheckPrivileges(path, info);
    if (info->problem.empty()) info->advice = path + " cannot be read, so whether it can be audited is unknown";
    return;
  }
  std::array<char, kScriptHead> buffer;
  ssize_t size = pread(fd, buffer.data(), buffer.size(), 0);
  std::string_view head(buffer.data(), size > 0 ? static_cast<size_t>(size) : 0);
  ScriptLine line = ParseScriptLine(head);
  if (head.starts_with(ELFMAG)) {
    InspectElf(path, fd, info);
  } else if (!line.interpreter.empty()) {
    InspectScript(path, line, depth, info);
  } else if (head.substr(0, head.find('\n')).find('\0') != std::string_view::npos) {
    Refuse(info, path + " is neither an ELF program nor a script", "");
  } else {
    InspectInterpreter(path, kShell, depth, info);
  }
  close(fd);
}

}  // namespace

TargetInfo InspectProgram(const std::string& name_or_path) {
  TargetInfo info;
  int error = FindProgram(name_or_path, &info.path);
  std::error_code ignored;
  info.is_directory = error == EACCES && std::filesystem::is_directory(info.path, ignored);
  info.exists = error == 0 || (error == EACCES && access(info.path.c_str(), F_OK) == 0);
  info.executable = error == 0;
  if (info.is_directory) {
    Refuse(&info, info.path + " is a directory", "");
  } else if (error != 0) {
    bool is_sought = name_or_path.find('/') == std::string::npos && error == ENOENT;
    Refuse(&info, info.path + ": " + (is_sought ? "not found in PATH" : std::strerror(error)), "");
  } else {
    InspectFile(info.path, 0, &info);
  }
  return info;
}

}  // namespace fdaudit::analyzer
