#pragma once

// The event journal: a ring of blocks, each filled by one thread. Only `dump` reads it all; findings never depend on
// it.

#include <array>
#include <cstdint>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

#include "analyzer/trace/trace_file.h"
#include "shim/trace/format.h"

namespace fdaudit::analyzer {

struct JournalEvent {
  uint32_t image;
  uint32_t thread;
  trace::Event event;
};

/// The valid events of a file, in the order of their stamps; those of an older lap of the ring are left out. Holds 16
/// bytes for each block, and the blocks that lie at one moment: those of the threads that wrote then.
class JournalReader {
 public:
  explicit JournalReader(const TraceFile& file);

  /// How many there were when the reader was made.
  uint64_t size() const { return size_; }
  /// The next one; false at the end. What a writer overwrites meanwhile is passed over.
  bool Next(JournalEvent* out);

 private:
  struct Block {
    uint64_t first_stamp;
    uint64_t index;
  };
  struct OpenBlock {
    trace::JournalBlock block;
    std::array<uint8_t, trace::kEventsPerBlock> order;  // of its valid events, by stamp
    uint32_t count = 0;
    uint32_t at = 0;

    uint64_t stamp() const { return block.events[order[at]].stamp; }
  };
  using Entry = std::pair<std::pair<uint64_t, uint64_t>, size_t>;  // stamp and block, place in open_

  void OpenBlocks();
  void Open(uint64_t index);

  const TraceFile& file_;
  uint64_t size_ = 0;
  std::vector<Block> blocks_;  // by stamp
  size_t next_ = 0;            // of them
  std::vector<std::unique_ptr<OpenBlock>> open_;
  std::vector<size_t> free_;  // places in open_
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue_;
};

/// Whether the journal has lost its beginning, or there is none.
bool JournalIsCut(const TraceFile& file);

}  // namespace fdaudit::analyzer
