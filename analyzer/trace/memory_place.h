#pragma once

// Traces that are recorded in memory, and the pointers to them that stand in their folders (trace::kPointerMagic).

#include <cstdint>
#include <string>

namespace fdaudit::analyzer {

/// The file of the trace that `path` names: what it leads to where it is a pointer, else itself. Throws TraceError
/// where a pointer leads nowhere, or to what isn't its owner's.
std::string ResolvePointer(const std::string& path);

/// Puts the trace in the place of the pointer to it, once nothing writes to it any more, and frees the memory. Nothing
/// happens where `path` is no pointer, or a copy of one (made after the trace, which began at `started_ns` of
/// CLOCK_REALTIME), or where there is no room or right to do so: the trace stays where it is.
void MoveFromMemory(const std::string& path, int64_t started_ns);

}  // namespace fdaudit::analyzer
