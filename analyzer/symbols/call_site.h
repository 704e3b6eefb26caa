#pragma once

// Which of a function's calls a return address belongs to, in a way that outlives a change of the code around it: by
// its ordinal among the calls of the function that go to the same target.

#include <cstdint>
#include <string_view>

namespace fdaudit::analyzer {

/// `code`: the function's bytes from its start, at `address`, to where the call returns to. `machine`: EM_X86_64 or
/// EM_AARCH64; others are not read. Direct calls, and those through a slot at a fixed place, are counted from 1. Of
/// others (through a register) only where they are is known: bit 63, and how far from the start. 0: not known at all.
uint64_t CallSite(uint16_t machine, std::string_view code, uint64_t address);

}  // namespace fdaudit::analyzer
