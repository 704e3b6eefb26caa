#pragma once

// DWARF expressions in unwind tables, evaluated symbolically (DWARF 5 §2.5): a rule must hold for every visit of an
// address, so the registers are unknowns, and the result is a formula over RSP or RBP. RIP is known, which turns the
// PLT's expression into plain RSP + 8 or RSP + 16. Pure computation over bounded bytes: usable in every context.

#include <cstdint>

#include "shim/base/byte_reader.h"

namespace fdaudit::shim {

/// A value as far as it can be known beforehand.
struct SymbolicValue {
  enum class Base : uint8_t {
    kUnknown,   ///< none of the below
    kConstant,  ///< offset
    kRsp,       ///< RSP + offset
    kRbp,       ///< RBP + offset
    kAtRsp,     ///< *(RSP + inner) + offset
    kAtRbp,     ///< *(RBP + inner) + offset
  };
  Base base = Base::kUnknown;
  int64_t offset = 0;
  int64_t inner = 0;
};

/// Evaluates `expression` at `pc` with `initial` on the stack (nullptr: an empty stack, for DW_CFA_def_cfa_expression).
SymbolicValue EvaluateExpression(ByteReader expression, uintptr_t pc, const SymbolicValue* initial);

}  // namespace fdaudit::shim
