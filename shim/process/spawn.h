#pragma once

// Programs that start without an image of this process's own before them: posix_spawn and popen, which do all in libc,
// and the exec of a vfork child, which runs on its parent's memory. Their record is made beforehand, by the parent or
// in the vfork child, and awaits the program (ImageRecord::awaits_exec). It says which of the program's numbers were
// arranged for it (ImageRecord::placements), so that the program finds who opened them.
//
// A vfork child's program finds its record by its pid. libc returns the pid of a spawned one only when the program may
// have begun already: that one finds the record's number in its options.

#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::shim {

struct ThreadState;

/// Before libc starts a program. `act`: the call. Returns the record's number, 0 where there is to be none.
uint32_t PrepareSpawn(const trace::Act& act);
/// What will be started, and why it will not be audited.
void NoteSpawnTarget(uint32_t image, const char* target, trace::ExecProblem problem, bool is_known);
/// Number `fd` of the program to come is `from` of its parent, or trace::kPlacedOpened.
void NotePlacement(uint32_t image, int fd, int from);
/// Something was arranged; what is unknown.
void NotePlacementsUnknown(uint32_t image);
/// The program's pid; 0: unknown.
void NoteSpawned(uint32_t image, int pid);

/// The same for what this process will exec, another one than the image's, which runs in its memory
/// (descriptor_table.h). `act`: the call that arranged it.
void NoteGuestPlacement(ThreadState& self, const trace::Act& act, int fd, int from);

/// The record of what such a process execs; made when first asked for. nullptr: it is not known well enough, or the
/// trace is full.
uint32_t GuestRecord(ThreadState& self, uint32_t parent);
/// It ends without exec.
void EndGuestRecord(ThreadState& self, int status);

/// The record that awaits this process. `hint`: the number in its options, 0 = none.
uint32_t AwaitedRecord(uint64_t hint, uint32_t of_pid);

/// Somebody has arranged for number `fd` of the program that is to come.
/// How many; above trace::kMaxPlacements: they are not known.
uint32_t PlacementsOf(const trace::ImageRecord* record);
bool IsPlaced(const trace::ImageRecord* record, int fd);

}  // namespace fdaudit::shim
