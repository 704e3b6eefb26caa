#pragma once

// How image records are made and made known. For the files of process.h alone (process*.cc).

#include "shim/process/image.h"

namespace fdaudit::shim {

/// Claims a record and fills what does not depend on which process it is for. nullptr: the trace is full.
trace::ImageRecord* ClaimImage(trace::StartedBy how);
/// It is this process's.
void Identify(trace::ImageRecord* record);
/// Both. nullptr: the trace is full.
trace::ImageRecord* NewImage(trace::StartedBy how);

uint32_t NumberOf(const trace::ImageRecord* record);

/// What a child's record takes over from its parent's.
void SetProgram(trace::ImageRecord* record);

/// Lets readers, and its process, find the record. A child and its parent may both do so.
void Publish(trace::ImageRecord* record);

/// In this process's pid namespace.
uint64_t OwnPidNamespace();

}  // namespace fdaudit::shim
