#include "analyzer/trace/journal.h"

#include <algorithm>
#include <functional>

namespace fdaudit::analyzer {
namespace {

bool IsValid(const trace::JournalBlock& block, const trace::Event& event) {
  return block.sequence != 0 && event.kind != trace::EventKind::kNone &&
         event.tag == static_cast<uint16_t>(block.sequence);
}

}  // namespace

JournalReader::JournalReader(const TraceFile& file) : file_(file) {
  file.ForEach<trace::JournalBlock>(trace::RegionKind::kJournal,
                                    [this](uint64_t index, const trace::JournalBlock& block) {
                                      uint64_t first = UINT64_MAX;
                                      uint64_t valid = 0;
                                      for (const trace::Event& event : block.events) {
                                        if (!IsValid(block, event)) continue;
                                        first = std::min(first, event.stamp);
                                        ++valid;
                                      }
                                      if (valid != 0) blocks_.push_back({first, index});
                                      size_ += valid;
                                    });
  std::stable_sort(blocks_.begin(), blocks_.end(),
                   [](const Block& a, const Block& b) { return a.first_stamp < b.first_stamp; });
}

void JournalReader::Open(uint64_t index) {
  if (free_.empty()) {
    free_.push_back(open_.size());
    open_.push_back(std::make_unique<OpenBlock>());
  }
  OpenBlock& open = *open_[free_.back()];
  open.count = open.at = 0;
  if (!file_.Get(trace::RegionKind::kJournal, index, &open.block)) return;
  for (uint32_t i = 0; i < trace::kEventsPerBlock; ++i) {
    if (IsValid(open.block, open.block.events[i])) open.order[open.count++] = static_cast<uint8_t>(i);
  }
  std::stable_sort(open.order.begin(), open.order.begin() + open.count,
                   [&open](uint8_t a, uint8_t b) { return open.block.events[a].stamp < open.block.events[b].stamp; });
  if (open.count == 0) return;
  queue_.push({{open.stamp(), index}, free_.back()});
  free_.pop_back();
}

/// All those that begin before what comes next.
void JournalReader::OpenBlocks() {
  while (next_ < blocks_.size() && (queue_.empty() || blocks_[next_].first_stamp <= queue_.top().first.first)) {
    Open(blocks_[next_++].index);
  }
}

bool JournalReader::Next(JournalEvent* out) {
  OpenBlocks();
  if (queue_.empty()) return false;
  const auto [key, place] = queue_.top();
  queue_.pop();
  OpenBlock& open = *open_[place];
  *out = {open.block.image, open.block.thread, open.block.events[open.order[open.at]]};
  if (++open.at < open.count) {
    queue_.push({{open.stamp(), key.second}, place});
  } else {
    free_.push_back(place);
  }
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
