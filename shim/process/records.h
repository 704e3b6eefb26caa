#pragma once

// The records of process images in the trace: how they are made and made known, found by pid, and linked with those of
// the images that they come from.

#include "shim/process/image.h"

namespace fdaudit::shim {

/// Claims a record and fills what does not depend on which process it is for. Returns its number, 0 where the trace is
/// full.
uint32_t ClaimImage(trace::StartedBy how);
/// Names the image that forked or spawned it, or for an exec the one before, which are kept as long as this one is.
void SetParent(trace::ImageRecord* record, uint32_t parent);
void SetPredecessor(trace::ImageRecord* record, uint32_t predecessor);
/// Another process is about to complete the record, and lets go of it then.
void HoldForPreparer(trace::ImageRecord* record);
/// It has something to report.
void Keep(uint32_t image);

/// It is this process's.
void Identify(trace::ImageRecord* record);
/// Both.
uint32_t NewImage(trace::StartedBy how);

/// Takes the record out of the chain of its pid. False: another is just changing one, or it is in none. A process that
/// is killed meanwhile leaves the chains as they are for good: records are not used again from then on.
bool TakeFromPidIndex(uint32_t image);

/// Lets readers, and its process, find the record. A child and its parent may both do so.
void Publish(uint32_t image);

/// The newest image of a process, 0 if there is none here.
uint32_t ImageOfPid(int pid);
/// The newest image of this process. In the first process of a pid namespace, and those that come into it from outside:
/// its parent knew another pid of it, and may have entered that in the index.
uint32_t ImageBeforeExec();

/// Which namespace this process's pids are of: asked for after exec, before the first of the functions above.
void FindPidNamespace();
uint64_t OwnPidNamespace();

/// The program of an image that begins after exec. `arguments`: main's, nullptr: not known yet.
void DescribeProgram(trace::ImageRecord* record, char* const* arguments);
/// What a child's record takes over from its parent's.
void SetProgram(trace::ImageRecord* record);

/// Links the record of an image that begins after exec. `before`: the process's newest image, 0 = none.
void FindRelatives(trace::ImageRecord* record, uint32_t before);
/// The image before this one is in another file (session.h), where this process's pid finds it if nothing else does.
void NoteOrigin(trace::ImageRecord* record);

/// Text of this record, in the room that an earlier occupant has left where it fits. `begins` where no text of this
/// occupant is in that room.
trace::Text AddOwnText(trace::ImageRecord* record, const char* text, size_t length, bool begins = false);

/// The program that is about to be started will not be audited, or (kTraceUnreachable) not in this file.
void NoteProblem(trace::ImageRecord* record, trace::ExecProblem problem);

/// It was audited after all, whatever was thought of it beforehand.
void ForgetProblem(trace::ImageRecord* record);

}  // namespace fdaudit::shim
