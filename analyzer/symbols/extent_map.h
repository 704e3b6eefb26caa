#pragma once

// Half-open address ranges, each with a value, and the question which of them an address lies in. Made for symbols,
// compilation units and functions alike: filled once, then asked. Ranges may overlap and nest; the innermost answers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace fdaudit::analyzer {

/// `Value` is ordered by operator<: of values with the same range, the greatest answers.
template <class Value>
class ExtentMap {
 public:
  /// Empty and inverted ranges hold nothing and are dropped.
  void Add(uint64_t start, uint64_t end, Value value) {
    if (start >= end) return;
    extents_.push_back({start, end, 0, std::move(value)});
    is_sorted_ = false;
  }

  /// Of the ranges that hold `address` the one that starts last, the shorter of two; nullptr where there is none. Valid
  /// until the next Add().
  const Value* Find(uint64_t address) {
    const Extent* found = FindExtent(address);
    return found == nullptr ? nullptr : &found->value;
  }
  /// Where that one starts; `address` itself where there is none.
  uint64_t StartOf(uint64_t address) {
    const Extent* found = FindExtent(address);
    return found == nullptr ? address : found->start;
  }

  bool empty() const { return extents_.empty(); }

 private:
  struct Extent {
    uint64_t start;
    uint64_t end;
    uint64_t reach;  // the greatest end up to here: a search gives up by it
    Value value;
  };

  const Extent* FindExtent(uint64_t address) {
    if (!is_sorted_) Sort();
    auto after = std::upper_bound(extents_.begin(), extents_.end(), address,
                                  [](uint64_t wanted, const Extent& extent) { return wanted < extent.start; });
    while (after != extents_.begin()) {
      --after;
      if (after->reach <= address) return nullptr;
      if (after->end > address) return &*after;
    }
    return nullptr;
  }

  void Sort() {
    std::sort(extents_.begin(), extents_.end(), [](const Extent& a, const Extent& b) {
      if (a.start != b.start) return a.start < b.start;
      if (a.end != b.end) return a.end > b.end;
      return a.value < b.value;
    });
    uint64_t reach = 0;
    for (Extent& extent : extents_) extent.reach = reach = std::max(reach, extent.end);
    is_sorted_ = true;
  }

  std::vector<Extent> extents_;
  bool is_sorted_ = true;
};

}  // namespace fdaudit::analyzer
