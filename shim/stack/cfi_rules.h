#pragma once

// The rule for an address, from the object's own unwind table: .eh_frame, found through .eh_frame_hdr (Linux Standard
// Base Core 5.0 §10.6, "Exception Frames"; DWARF 5 §6.4). 0.3 µs a rule; the rule cache keeps what this returns.
//
// Only reads memory within the object's readable segments; no state, no locks, no system calls: usable in every
// context, and on any ELF image that is mapped with its segments in place (tests map files themselves).

#include <cstdint>

#include "shim/stack/objects.h"
#include "shim/stack/rule.h"

namespace fdaudit::shim {

/// A rule and the addresses it holds for.
struct FoundRule {
  Rule rule;  ///< kGuess where no entry covers the address
  AddressRange range;
};

/// The rule of `module` for the instruction at `pc`. `rip` is the register's value in the frame: `pc` where it was
/// interrupted there, one more where `pc` is the last byte of a call.
FoundRule FindCfiRule(const Module& module, uintptr_t pc, uintptr_t rip);

/// For tools: calls `visit(context, start, end)` with the address range of every entry of the object's table. Returns
/// the number of entries; 0 where there is no sorted table.
uint64_t VisitCfiEntries(const Module& module, void (*visit)(void* context, uintptr_t start, uintptr_t end),
                         void* context);

}  // namespace fdaudit::shim
