#pragma once

// The journals of all of a session's traces as one, in the order of time. Nothing is kept of what has been read.

#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "analyzer/model/model.h"
#include "analyzer/trace/journal.h"

namespace fdaudit::analyzer {

class EventStream {
 public:
  explicit EventStream(const Model& model);

  struct Item {
    double time_s;  ///< of the session
    uint32_t file;
    JournalEvent entry;
  };
  /// How many there were when the stream was made.
  uint64_t size() const { return size_; }
  /// The next one, of equally old ones that of the earlier file; false at the end.
  bool Next(Item* out);

 private:
  void Advance(uint32_t file);

  const Model& model_;
  std::deque<JournalReader> readers_;  // by file
  std::vector<JournalEvent> heads_;    // what each has next
  std::priority_queue<std::pair<double, uint32_t>, std::vector<std::pair<double, uint32_t>>, std::greater<>> queue_;
  uint64_t size_ = 0;
};

}  // namespace fdaudit::analyzer
