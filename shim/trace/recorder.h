#pragma once

// The mapped trace file: made or joined once for each image (session.h says which), then only memory. Everything else
// here is lock-free, async-signal-safe and safe in fork children; nothing touches errno. A store may only go to pages
// that Back() has backed with storage: a store into a hole of a full disk is SIGBUS in the audited program.

#include <atomic>
#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::shim {

template <typename T>
std::atomic_ref<T> Atomic(T& value) {
  return std::atomic_ref<T>(value);
}

/// Where a hash table of the trace is looked into for an element of this size: `probe` counts from 0 to
/// kTableProbes - 1. Tables are filled from their first page on: what all processes of a tree have in common lies close
/// together, and is cheap to touch. A full first page is not looked at again.
inline constexpr uint64_t kTableProbes = 64;
inline uint64_t TablePlace(uint64_t key, uint64_t probe, uint64_t capacity, uint64_t element_size) {
  constexpr uint64_t kFirstProbes = 8;
  const uint64_t first_page = trace::kPageSize / element_size;
  if (capacity <= first_page) return (key + probe) % capacity;
  return probe < kFirstProbes ? (key + probe) % first_page : first_page + (key + probe) % (capacity - first_page);
}

class Recorder {
 public:
  /// Joins a file that others write to. `family`: only this user's own, made for that family in this pid namespace;
  /// nullptr: any. The descriptor used for it is closed again before it returns.
  bool Join(const char* path, const char* family = nullptr);
  /// Makes a new file, whose directory is there. False: nothing can be recorded; `problem` says why.
  bool Create(const char* path, const char* family, const char** problem);

  bool recording() const { return base_ != nullptr; }
  trace::Header& header() const { return *reinterpret_cast<trace::Header*>(base_); }
  trace::Region& region(trace::RegionKind kind) const { return header().regions[static_cast<uint32_t>(kind)]; }
  bool created_here() const { return created_here_; }

  /// Claims `count` consecutive elements, backed by storage. Returns their first index, or -1 when the trace is full.
  int64_t Claim(trace::RegionKind kind, uint64_t count = 1);

  /// Element `index`, whose page must be backed. No bounds check.
  template <typename T>
  T* At(trace::RegionKind kind, uint64_t index) const {
    return reinterpret_cast<T*>(starts_[static_cast<uint32_t>(kind)]) + index;
  }

  /// Makes sure that elements [index, index + count) may be stored to. `ahead` more pages are wished for.
  bool Back(trace::RegionKind kind, uint64_t index, uint64_t count = 1, uint32_t ahead = 0);

  /// Whether element `index`, which lies in one page, may be looked at.
  bool IsBacked(trace::RegionKind kind, uint64_t index) const {
    const trace::Region& r = region(kind);
    const uint64_t page = (r.offset + index * r.element_size) / trace::kPageSize;
    return all_backed_ || (Atomic(page_bits_[page / 64]).load(std::memory_order_acquire) >> (page % 64) & 1) != 0;
  }

  /// Elements that were given back, newest first, linked through a field of theirs (index + 1). The list's head carries
  /// a count of changes above the index, so that an element which left and came back is noticed. -1: none.
  template <typename T>
  int64_t TakeReleased(trace::RegionKind kind, uint32_t T::*next) const {
    auto list = Atomic(region(kind).free_list);
    uint64_t head = list.load(std::memory_order_acquire);
    while (static_cast<uint32_t>(head) != 0) {
      const uint32_t index = static_cast<uint32_t>(head) - 1;
      const uint64_t rest = Atomic(At<T>(kind, index)->*next).load(std::memory_order_relaxed);
      if (list.compare_exchange_weak(head, ((head >> 32) + 1) << 32 | rest)) return index;
    }
    return -1;
  }

  template <typename T>
  void Release(trace::RegionKind kind, uint32_t T::*next, uint32_t index) const {
    auto list = Atomic(region(kind).free_list);
    uint64_t head = list.load(std::memory_order_relaxed);
    do {
      Atomic(At<T>(kind, index)->*next).store(static_cast<uint32_t>(head), std::memory_order_relaxed);
    } while (!list.compare_exchange_weak(head, ((head >> 32) + 1) << 32 | (index + 1)));
  }

  /// Backs room ahead in every region, as far as it can be had, for a process that will be forbidden to ask for more.
  void BackAhead();

  /// Copies text into the trace; an empty reference when there is no room.
  trace::Text AddText(const char* text, size_t length);

  /// Refreshes Header::latest; a system call.
  void NoteTime();

  /// The program is about to forbid itself to read the time-stamp counter (clock.h).
  void ForgoCounter();

 private:
  bool BackPages(uint64_t first, uint64_t last);
  void NoteBacked(trace::RegionKind kind, uint64_t last);

  void NoteStarts();

  char* base_ = nullptr;
  char* starts_[trace::kMaxRegions] = {};  ///< of the regions; spares a look at the header
  uint64_t* page_bits_ = nullptr;
  bool all_backed_ = false;
  /// For regions that grow: elements below are backed, as this process knows (its parent's knowledge is right too).
  /// Spares short-lived processes the bitmap's page.
  uint64_t known_backed_[trace::kMaxRegions] = {};
  bool created_here_ = false;
};

inline constinit Recorder recorder;

}  // namespace fdaudit::shim
