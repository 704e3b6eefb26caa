#pragma once

// Runs the call frame instructions of one .eh_frame entry up to an address (DWARF 5 §6.4.2). Pure computation over
// bounded bytes: usable in every context.

#include <cstdint>

#include "shim/base/byte_reader.h"
#include "shim/stack/rule.h"

namespace fdaudit::shim {

/// How a register of the caller is recovered (DWARF 5 §6.4.1).
enum class Recovery : uint8_t {
  kSame,           ///< same value; also what no instruction mentions
  kUndefined,      ///< lost
  kOffset,         ///< at CFA + value
  kValOffset,      ///< is CFA + value
  kRegister,       ///< in register number value
  kExpression,     ///< at the address that the expression computes
  kValExpression,  ///< is what the expression computes
};

/// The columns that x86-64 needs. kCfa: kRegister-like (cfa_register + value), or kValExpression.
enum Column : uint8_t { kColumnCfa, kColumnRbp, kColumnReturn, kColumnRsp, kColumns };

/// One row of the unwind table. `value` is a number or the address of a counted block, by the kind of recovery.
struct CfiRow {
  Recovery recovery[kColumns] = {};
  uint32_t cfa_register = 0;
  int64_t value[kColumns] = {};
};

/// An entry (FDE) with its common part (CIE).
struct CfiEntry {
  uintptr_t start = 0;  ///< addresses covered: [start, end)
  uintptr_t end = 0;
  uint64_t code_alignment = 1;
  int64_t data_alignment = 1;
  uint64_t return_column = 0;
  uint8_t pointer_encoding = 0;
  bool has_data = false;               ///< augmentation 'z': a counted block precedes the FDE's instructions
  bool signal = false;                 ///< augmentation 'S'
  const uint8_t* table_end = nullptr;  ///< bound for counted blocks
  ByteReader common_program{nullptr, nullptr};
  ByteReader program{nullptr, nullptr};
};

/// The row that holds for `pc`, and where it begins and ends. False: damaged, or an unknown instruction.
bool RunCfiProgram(const CfiEntry& entry, uintptr_t pc, CfiRow* row, uintptr_t* row_start, uintptr_t* row_end);

/// The row as a rule. `rip`: see FindCfiRule.
Rule RuleFromRow(const CfiEntry& entry, const CfiRow& row, uintptr_t rip);

/// A pointer in one of the DW_EH_PE encodings (LSB Core 5.0 §10.5.1). `data_base` is for datarel.
uint64_t ReadEncodedPointer(ByteReader* reader, uint8_t encoding, uintptr_t data_base);

}  // namespace fdaudit::shim
