#include "shim/ledger/pipe_watch.h"

#include "shim/base/clock.h"
#include "shim/base/guard.h"
#include "shim/base/thread.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/slots.h"
#include "shim/stack/table.h"

namespace fdaudit::shim {
namespace {

/// The slot of `fd` where it is an open pipe end of the ledger's table and the caller's acts belong there.
PrivateSlot* OpenPipe(int fd, uint32_t image, Place* place) {
  if (image == 0 || !ThreadOf(image).UsesLedger()) return nullptr;
  const Place found = Find(fd, false);
  if (found.slot == nullptr) return nullptr;
  const bool is_new = Atomic(found.slot->image).load(std::memory_order_relaxed) != image;
  *place = FindOwn(fd, image);
  if (is_new) Mirror(*place, fd, image);
  const Head head = LoadHead(*place->slot);
  const bool is_pipe = place->slot->lives[head.count & 1].kind == trace::FdKind::kPipe;
  return head.state == trace::SlotState::kOpen && is_pipe ? place->slot : nullptr;
}

void NoteMoved(int fd) {
  const uint32_t image = CurrentImage();
  Place place;
  PrivateSlot* slot = OpenPipe(fd, image, &place);
  if (slot == nullptr) return;
  trace::Incarnation& life = slot->lives[LoadHead(*slot).count & 1];
  if ((life.detail & trace::kPipeMoved) != 0) return;
  life.detail |= trace::kPipeMoved;
  Mirror(place, fd, image);
}

/// The same caller with the same stack pointer has, all but always, the same call path: a loop that reads byte by byte
/// need not walk its stack each time.
uint32_t StackOfReader(const CallerRegisters& caller, ThreadState& thread, bool nested) {
  if (nested || thread.guests != 0) return StackNumber(caller, true);
  if (thread.reader_pc != caller.pc || thread.reader_sp != caller.sp) {
    thread.reader_stack = StackNumber(caller, false);
    thread.reader_pc = caller.pc;
    thread.reader_sp = caller.sp;
  }
  return thread.reader_stack;
}

}  // namespace

void WatchPipe(int fd) {
  const auto number = static_cast<uint32_t>(fd);
  if (number < kWatchedNumbers) Atomic(pipe_numbers[number / 64]).fetch_or(uint64_t{1} << (number % 64));
}

bool RecordPipeReading(const CallerRegisters& caller, uint16_t call, uint64_t began, int fd) {
  const Guard guard;
  const uint32_t image = CurrentImage();
  Place place;
  if (OpenPipe(fd, image, &place) == nullptr) return false;
  ThreadState& thread = ThreadOf(image);
  trace::WaitingRead& reading = ImageOf(image)->reading;
  Atomic(reading.stamp).store(0, std::memory_order_relaxed);
  reading = {0, thread.thread, StackOfReader(caller, thread, guard.nested()), fd, call, 0};
  Atomic(reading.stamp).store(began, std::memory_order_release);
  return true;
}

void RecordPipeRead(int fd, uint64_t began, bool moved) {
  const Guard guard;
  if (const uint32_t image = CurrentImage(); image != 0) {
    auto latest = Atomic(ImageOf(image)->reading.stamp);
    if (latest.load(std::memory_order_relaxed) == began) latest.store(0, std::memory_order_relaxed);
  }
  if (moved) NoteMoved(fd);
}

void RecordPipeWritten(int fd) {
  const Guard guard;
  NoteMoved(fd);
}

}  // namespace fdaudit::shim
