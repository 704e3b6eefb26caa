#include "shim/trace/journal.h"

#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::JournalBlock;
using trace::kEventsPerBlock;
using trace::RegionKind;

constexpr uint64_t kPositionsPerBlock = 32;

JournalBlock* BlockOf(uint64_t sequence) {
  return recorder.At<JournalBlock>(RegionKind::kJournal, (sequence - 1) % recorder.Capacity(RegionKind::kJournal));
}

bool ClaimBlock(ThreadState& thread) {
  trace::Region& region = recorder.region(RegionKind::kJournal);
  thread.journal_sequence = 0;
  const uint64_t capacity = recorder.Capacity(RegionKind::kJournal);
  if (capacity == 0) return false;
  const uint64_t number = Atomic(region.used).fetch_add(1, std::memory_order_relaxed);
  if (!recorder.Back(RegionKind::kJournal, number % capacity, 1, 15)) {
    recorder.NoteLost(RegionKind::kJournal, kEventsPerBlock);
    return false;
  }
  JournalBlock& block = *BlockOf(number + 1);
  Atomic(block.sequence).store(0, std::memory_order_release);
  block.image = thread.image;
  block.thread = thread.thread;
  Atomic(block.sequence).store(number + 1, std::memory_order_release);
  thread.journal_block = &block;
  thread.journal_sequence = number + 1;
  thread.journal_used = 0;
  if (number % 64 == 0) recorder.NoteTime();
  return true;
}

}  // namespace

uint64_t WriteEvent(ThreadState& thread, trace::Event event) {
  // One instruction without a lock prefix: enough against a signal handler on this thread, the only other writer.
  uint32_t index = thread.journal_used++;
  if (thread.journal_sequence == 0 || index >= kEventsPerBlock ||
      Atomic(thread.journal_block->sequence).load(std::memory_order_relaxed) != thread.journal_sequence) {
    if (!ClaimBlock(thread)) return 0;
    index = thread.journal_used++;
  }
  trace::Event& slot = thread.journal_block->events[index];
  const trace::EventKind kind = event.kind;
  event.tag = static_cast<uint16_t>(thread.journal_sequence);
  event.kind = trace::EventKind::kNone;
  slot = event;
  Atomic(slot.kind).store(kind, std::memory_order_release);
  return (thread.journal_sequence - 1) * kPositionsPerBlock + index + 1;
}

bool ExtendEvent(uint64_t position, int32_t last) {
  if (position == 0) return false;
  const uint64_t sequence = (position - 1) / kPositionsPerBlock + 1;
  JournalBlock& block = *BlockOf(sequence);
  if (Atomic(block.sequence).load(std::memory_order_relaxed) != sequence) return false;
  block.events[(position - 1) % kPositionsPerBlock].other = last;
  return true;
}

}  // namespace fdaudit::shim
