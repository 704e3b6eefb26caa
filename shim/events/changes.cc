// Verbs that neither open nor close: what is known of a descriptor changes.

#include "shim/base/text.h"
#include "shim/base/thread_pointer.h"
#include "shim/events/events.h"
#include "shim/events/recording.h"
#include "shim/ledger/channel_text.h"
#include "shim/ledger/findings.h"
#include "shim/process/spawn.h"

namespace fdaudit::shim {

using trace::Act;
using trace::EventKind;

void RecordedTarget(int fd, TargetText& text) {
  const Guard guard;
  text[0] = '\0';
  if (CurrentImage() != 0) LedgerTarget(fd, text);
}

void RecordedDescriptor(int fd, NewDescriptor* out, TargetText& text) {
  const Guard guard;
  text[0] = '\0';
  const uint32_t image = CurrentImage();
  if (image != 0 && ThreadOf(image).UsesLedger()) LedgerDescribe(fd, out, text);
}

void RecordAddressed(const CallSite& site, int fd, SocketStep step, const sockaddr* address, socklen_t size) {
  Recording recording(site);
  if (!recording) return;
  TargetText name;
  TextBuilder text(name, sizeof name);
  AddAddress(text, address, size);
  if (recording.owns_ledger()) LedgerAddressed(fd, step, name);
  recording.Journal(EventKind::kAddressed, recording.MakeAct(Stamp()), fd, -1);
}

void RecordCloseOnExec(const CallSite& site, int fd, bool on) {
  Recording recording(site);
  if (!recording) return;
  const Act act = recording.MakeAct(Stamp());
  if (recording.owns_ledger()) LedgerSetCloseOnExec(fd, on);
  if (recording.arranges_exec() && !on) NoteGuestPlacement(recording.thread(), act, fd, fd);
  recording.Journal(EventKind::kFlagChanged, act, fd, on ? 1 : 0);
}

void RecordCloseOnExecRange(const CallSite& site, uint32_t first, uint32_t last) {
  Recording recording(site);
  if (!recording) return;
  if (recording.owns_ledger()) LedgerSetCloseOnExecRange(first, last);
  recording.Journal(EventKind::kRangeCloseOnExec, recording.MakeAct(Stamp()), static_cast<int>(first),
                    static_cast<int>(last));
}

void RecordAdopted(const CallSite& site, int fd, uint8_t owner_flag, const void* owner) {
  Recording recording(site);
  if (!recording) return;
  if (recording.owns_ledger()) LedgerAdopt(fd, owner_flag, owner);
  recording.Journal(EventKind::kAdopted, recording.MakeAct(Stamp()), fd, -1);
}

void RecordOwnerExchanged(const CallSite& site, int fd, OwnerTag expected, OwnerTag owner, bool is_told) {
  Recording recording(site);
  if (!recording || !recording.owns_ledger()) return;
  const Act act = recording.MakeAct(Stamp());
  CloseOutcome lost;
  if (LedgerExchangeOwner(fd, expected, owner, &lost)) {
    recording.Journal(EventKind::kAdopted, act, fd, -1);
  } else if (is_told && lost.verdict != CloseOutcome::Verdict::kFine) {
    NoteBadUse(fd, act, lost);
  }
}

OwnerTag RecordedOwner(int fd) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  return image != 0 && ThreadOf(image).UsesLedger() ? LedgerOwnerTag(fd) : kNobody;
}

void RecordLeftOpen(int fd) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  if (image != 0 && ThreadOf(image).UsesLedger()) LedgerLeaveOpen(fd);
}

void RecordRegistered(const CallSite& site, int fd, int set, bool on) {
  Recording recording(site);
  if (!recording) return;
  const uint32_t count = recording.owns_ledger() ? LedgerRegister(fd, set, on) : 0;
  recording.Journal(on ? EventKind::kRegistered : EventKind::kUnregistered, recording.MakeAct(Stamp()), fd, set, count);
}

void RecordTarget(int fd, const char* target) {
  const Guard guard;
  if (CurrentImage() != 0 && thread_state.UsesLedger()) LedgerRetarget(fd, target);
}

}  // namespace fdaudit::shim
