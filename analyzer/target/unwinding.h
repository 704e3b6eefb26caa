#pragma once

// Call stacks of other processes and of core files, by libunwind, which is known here alone in the analyzer.

#include <sys/user.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "analyzer/target/code_map.h"

namespace fdaudit::analyzer {

/// By DWARF's numbers for x86-64: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip. None: not known.
using Registers = std::array<std::optional<uint64_t>, 17>;
Registers FromUser(const user_regs_struct& user);
inline constexpr size_t kFramePointer = 6;
inline constexpr size_t kStackPointer = 7;
inline constexpr size_t kInstructionPointer = 16;

/// Copies `size` bytes of the process's memory; false where there are none.
using ReadMemory = std::function<bool(uint64_t address, void* to, size_t size)>;

struct Stack {
  std::vector<uint64_t> places;  ///< instruction pointers, the innermost first; the others are return addresses
  bool is_complete = false;      ///< it leads out to where the thread began
};

/// `code` says where files are mapped; their unwind tables are read from memory.
Stack Unwind(const CodeMap& code, const Registers& registers, const ReadMemory& read);

}  // namespace fdaudit::analyzer
