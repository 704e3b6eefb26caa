#include "analyzer/trace/journal.h"

namespace fdaudit::analyzer {
namespace {

bool IsValid(const trace::JournalBlock& block, const trace::Event& event) {
  return block.sequence != 0 && event.kind != trace::EventKind::kNone &&
         event.tag == static_cast<uint16_t>(block.sequence);
}

}  // namespace

std::vector<EventKey> ListEvents(const TraceFile& file) {
  std::vector<EventKey> keys;
  file.ForEach<trace::JournalBlock>(trace::RegionKind::kJournal,
                                    [&keys](uint64_t index, const trace::JournalBlock& block) {
                                      for (uint32_t i = 0; i < trace::kEventsPerBlock; ++i) {
                                        const trace::Event& event = block.events[i];
                                        if (!IsValid(block, event)) continue;
                                        keys.push_back({event.stamp, index * trace::kEventsPerBlock + i});
                                      }
                                    });
  return keys;
}

bool GetEvent(const TraceFile& file, uint64_t place, JournalEvent* out) {
  trace::JournalBlock block;
  if (!file.Get(trace::RegionKind::kJournal, place / trace::kEventsPerBlock, &block)) return false;
  const trace::Event& event = block.events[place % trace::kEventsPerBlock];
  if (!IsValid(block, event)) return false;
  *out = {block.image, block.thread, event};
  return true;
}

bool JournalIsCut(const TraceFile& file) {
  bool first_is_there = false;
  bool any = false;
  file.ForEach<trace::JournalBlock>(trace::RegionKind::kJournal, [&](uint64_t, const trace::JournalBlock& block) {
    any |= block.sequence != 0;
    first_is_there |= block.sequence == 1;
  });
  return any ? !first_is_there : true;
}

}  // namespace fdaudit::analyzer
