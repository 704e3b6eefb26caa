#include "shim/events/daemon.h"

#include <signal.h>

#include "shim/base/raw_io.h"
#include "shim/ledger/ledger.h"

namespace fdaudit::shim {

using trace::EndedBy;
using trace::ImageRecord;

Daemonizing BeforeDaemon() {
  Daemonizing before = {BeforeClone(SIGCHLD, trace::StartedBy::kFork), 0, false};
  const uint32_t image = before.cloning.image;
  if (image == 0) return before;
  ImageRecord* record = ImageOf(image);
  before.pid = record->pid;
  if (IsGuestProcess(ThreadOf(image)) || record->ended_by == EndedBy::kExit) return before;
  before.ended = true;
  // Not compared with the kernel's table, and nothing of the ledger given back: the fork may fail, and the image go on.
  LedgerSumUp();
  record->open_at_end = LedgerCountOpen();
  record->status = 0;
  if (SystemCallsAllowed()) record->ended = Now();
  Atomic(record->ended_by).store(EndedBy::kExit, std::memory_order_release);
  return before;
}

bool AfterDaemon(const CallSite& site, const Daemonizing& before, bool failed) {
  const uint32_t image = before.cloning.image;
  if (image == 0) return false;
  const bool is_caller =
      failed && (wiped_on_fork ? process_mark->image == image : !SystemCallsAllowed() || raw::Pid() == before.pid);
  if (!is_caller) {
    BeginClone(SIGCHLD, nullptr);
    RecordSession(site);
    return true;
  }
  if (before.ended) Atomic(ImageOf(image)->ended_by).store(EndedBy::kNone, std::memory_order_release);
  AfterClone(site, before.cloning, -1, nullptr);
  return false;
}

}  // namespace fdaudit::shim
