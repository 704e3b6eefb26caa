#pragma once

// Records of images that ended with nothing to report serve later images: a shell's loop, a prefork server or a build
// starts millions of programs, and the trace stays as small as those that are alive, or have something to say. What
// they opened and closed is added to the header's sums.
//
// A record is free once nothing refers to it: neither its own process, nor whoever prepared it, nor the record of a
// child or successor, whose ledger may name it as an opener. Up to a sixteenth of the table nothing is folded: reports
// of ordinary sessions list every process. Lock-free, usable in every context.

#include <cstdint>

namespace fdaudit::shim {

/// The image has ended, or (`has_successor`) goes on as the next one. Where it has something to report, its record
/// stays. Its process must not touch the record any more.
void LetGoOfEnded(uint32_t image, bool has_successor);

/// Whoever prepared the record is done with it.
void LetGo(uint32_t image);

/// The record was prepared for a process that never was.
void GiveBackUnused(uint32_t image);

}  // namespace fdaudit::shim
