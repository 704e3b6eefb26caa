// What the ledger learns of a socket after it was opened: its addresses, and that it listens.

#include "shim/ledger/channel_text.h"
#include "shim/ledger/ledger.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/slots.h"

namespace fdaudit::shim {

using trace::Incarnation;
using trace::SlotState;

namespace {

uint16_t After(SocketStep step, uint16_t detail) {
  switch (step) {
    case SocketStep::kBound:
      return detail;
    case SocketStep::kListening:
      return detail | trace::kSocketListening;
    case SocketStep::kConnecting:
      return detail | trace::kSocketConnecting;
    case SocketStep::kConnected:
      return static_cast<uint16_t>(detail & ~trace::kSocketConnecting);
  }
  return detail;
}

}  // namespace

void LedgerAddressed(int fd, SocketStep step, const char* address) {
  const uint32_t image = CurrentImage();
  const Place place = FindOwn(fd, image);
  if (place.slot == nullptr || LoadHead(*place.slot).state != SlotState::kOpen) return;
  Incarnation& life = place.slot->lives[LoadHead(*place.slot).count & 1];
  if (life.kind != trace::FdKind::kSocket) return;
  char target[trace::kTargetSize];
  char local[trace::kTargetSize];
  CopyTarget(*place.block, fd, image, target);
  CopyLocalName(target, local);
  life.detail = After(step, life.detail);
  SocketNames names = {local, ""};
  if (step == SocketStep::kBound) names.local = address;
  if (step == SocketStep::kConnecting || step == SocketStep::kConnected) names.peer = address;
  TextBuilder text(target, sizeof target);
  AddSocket(text, life.detail, names);
  if (!MirrorOpened(*place.block, *place.slot, fd, image, target)) Dropped(image, trace::kReasonNoRoom);
}

}  // namespace fdaudit::shim
