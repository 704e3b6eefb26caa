#pragma once

// What the machine and its limits leave room for, looked at once, by the process that makes a trace. Each function
// opens at most one file at a time and closes it again. No libc state is touched.

#include <cstddef>
#include <cstdint>

namespace fdaudit::shim {

/// The start of a (proc, sys) file, NUL-terminated, without its final newline. Returns its length, or -1.
long ReadSmallFile(const char* path, char* buffer, size_t size);

/// fs.nr_open: descriptor numbers never reach it.
uint64_t NrOpen();

/// Soft limit of `resource` (getrlimit(2)); UINT64_MAX when there is none.
uint64_t SoftLimit(int resource);

/// Bytes that the memory control group (v2 or v1) still has room for; UINT64_MAX when it has no limit.
uint64_t CgroupRoom();

/// Bytes free on the file system of the open file, and whether it is held in memory. False when unknown.
bool FileSystemRoom(int fd, uint64_t* bytes, bool* memory_backed);

/// nodename of uname(2), cut where it doesn't fit.
void HostName(char* out, size_t size);

/// Seccomp filters of this process at its start: 0 = none, UINT64_MAX = the kernel doesn't count them (before 5.9).
uint64_t SeccompFilters();

/// Forbids the shim's system calls where the program has entered seccomp past the shim, by an instruction of its own.
/// Asked before the shim makes several in a row. Returns whether that has just come out.
bool FindsHiddenSeccomp();

/// Whether a seccomp filter that was there before the program may answer system calls of the shim's with death. Not
/// where its start was survived under `known` filters (UINT64_MAX = nothing known) and these are as many: they are
/// inherited, and never taken away. Nor where the first process of the pid namespace has them too: they are the
/// container's, whose refusals are errors.
bool FiltersMayKill(uint64_t filters, uint64_t known);

/// This process's effective user id as the user namespace around its own counts it.
uint64_t OuterUser();

/// When this process was started (by fork, not by exec), in nanoseconds of CLOCK_MONOTONIC, at most a clock tick (10
/// ms) too early; 0 = unknown.
uint64_t ProcessStart();

/// Inode of this process's pid namespace; 0 = unknown.
uint64_t PidNamespace();

}  // namespace fdaudit::shim
