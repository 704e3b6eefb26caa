// Verbs that make processes and programs, or part a table from another.

#include "shim/base/options.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/events/recording.h"
#include "shim/ledger/pipe_watch.h"
#include "shim/process/spawn.h"

namespace fdaudit::shim {

using trace::Act;
using trace::EventKind;

void RecordForked(const CallSite& site, int pid) {
  Recording recording(site);
  has_relatives = options.uses;
  if (recording) recording.Journal(EventKind::kForked, recording.MakeAct(Stamp()), -1, pid);
}

void RecordSession(const CallSite& site) {
  Recording recording(site);
  // The session of a process that runs in this memory is not the image's.
  if (!recording || IsGuestProcess(recording.thread())) return;
  const Act act = recording.MakeAct(Stamp());
  ImageOf(act.image)->began_session = 1;
  recording.Journal(EventKind::kSessionBegun, act, -1, -1);
}

bool LeavesTable() {
  const uint32_t image = CurrentImage();
  return image != 0 && LeavesLedgersTable(ThreadOf(image));
}

void RecordUnshared(const CallSite& site) {
  Recording recording(site);
  if (!recording || !LeavesLedgersTable(recording.thread())) return;
  LedgerCopied();
  NoteTableLeft(recording.thread());
  recording.Journal(EventKind::kUnshared, recording.MakeAct(Stamp()), -1, -1);
}

uint32_t RecordSpawning(const CallSite& site) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger() || !SystemCallsAllowed()) return 0;
  return PrepareSpawn(recording.MakeAct(site.began));
}

void RecordChildAction(const CallSite& site, uint32_t image, const ChildAction& action) {
  Recording recording(site);
  if (!recording || image == 0) return;
  const Act act = recording.MakeAct(site.began, trace::kActOwnTable);
  switch (action.what) {
    case ChildAction::What::kCopies:
      NotePlacement(image, action.fd, action.from);
      recording.Journal(EventKind::kDuplicated, act, action.fd, action.from);
      break;
    case ChildAction::What::kOpens:
      NotePlacement(image, action.fd, trace::kPlacedOpened);
      recording.Journal(EventKind::kOpened, act, action.fd, -1);
      break;
    case ChildAction::What::kCloses:
      recording.Journal(EventKind::kClosed, act, action.fd, -1);
      break;
    case ChildAction::What::kClosesFrom:
      recording.Journal(EventKind::kRangeClosed, act, action.fd, -1);
      break;
  }
}

void RecordSpawned(const CallSite& site, uint32_t image, int pid, int error) {
  Recording recording(site);
  if (!recording) return;
  has_relatives = options.uses;
  if (image != 0) NoteSpawnEnded(image, pid);
  const EventKind kind = pid < 0 ? EventKind::kExecFailed : EventKind::kSpawned;
  recording.Journal(kind, recording.MakeAct(Stamp()), -1, pid <= 0 ? -1 : pid, 0, error);
}

uint32_t RecordExec(const CallSite& site, const char* target, trace::ExecProblem problem, bool is_known) {
  Recording recording(site);
  if (!recording) return 0;
  recording.Journal(EventKind::kExec, recording.MakeAct(site.began), -1, -1);
  return NoteExec(target, problem, is_known);
}

void RecordExecFailed(const CallSite& site) {
  const int error = LastError();
  Recording recording(site);
  if (!recording) return;
  recording.Journal(EventKind::kExecFailed, recording.MakeAct(Stamp()), -1, -1, 0, error);
  NoteExecFailed();
}

}  // namespace fdaudit::shim
