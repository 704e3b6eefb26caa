#pragma once

// Numbers of what the trace holds, by their keys. Lock-free: an entry is two words that vouch for each other, and a
// torn one does not match. The first page of a cache is tried first, so that short-lived processes touch no other.

#include <atomic>
#include <cstdint>

namespace fdaudit::shim {

template <uint64_t size>
class NumberCache {
 public:
  /// 0 = not known (any more).
  uint64_t Find(uint64_t key) {
    const uint64_t number = FindAt(key % kNearby, key);
    return number != 0 ? number : FindAt(key % size, key);
  }

  void Remember(uint64_t key, uint64_t number) {
    CachedNumber* entry = &entries_[key % kNearby];
    if (entry->number != 0) entry = &entries_[key % size];
    std::atomic_ref(entry->check).store(key ^ number * kMixer, std::memory_order_relaxed);
    std::atomic_ref(entry->number).store(number, std::memory_order_relaxed);
  }

 private:
  struct CachedNumber {
    uint64_t check;  ///< key ^ number * kMixer
    uint64_t number;
  };
  static constexpr uint64_t kMixer = 0x9e3779b97f4a7c15;
  static constexpr uint64_t kNearby = 256;

  uint64_t FindAt(uint64_t index, uint64_t key) {
    CachedNumber& entry = entries_[index];
    const uint64_t number = std::atomic_ref(entry.number).load(std::memory_order_relaxed);
    const uint64_t check = std::atomic_ref(entry.check).load(std::memory_order_relaxed);
    return number != 0 && (check ^ number * kMixer) == key ? number : 0;
  }

  CachedNumber entries_[size] = {};
};

}  // namespace fdaudit::shim
