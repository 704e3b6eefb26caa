#pragma once

// The mapped trace file: made or joined once for each image (session.h says which), then only memory. Everything else
// here is lock-free, async-signal-safe and safe in fork and vfork children; nothing touches errno, and no descriptor is
// needed. A store may only go to pages that Back() has backed with storage: a store into a hole of a full disk is
// SIGBUS in the audited program.
//
// Of the file no more is mapped than what this process uses (layout.h). A window beyond the start is a second mapping
// of the same file, made from one that is there (mremap(2) of no bytes): it is charged against RLIMIT_AS, of which the
// trace never takes more than an eighth. What lies in a window that can't be mapped is lost, and counted.
//
// The mapping is shared with processes that may have lost their rights, or have been taken over. What is read back from
// it is input: sizes, places and capacities are private copies, and At() leads nowhere else than into a region.

#include <atomic>
#include <cstdint>

#include "shim/trace/format.h"
#include "shim/trace/layout.h"

namespace fdaudit::shim {

template <typename T>
std::atomic_ref<T> Atomic(T& value) {
  return std::atomic_ref<T>(value);
}

/// A hash table of the trace is looked into for an element at this many places (Recorder::TablePlace); of those this
/// many lie in each window but the last.
inline constexpr uint32_t kTableProbes = 64;
inline constexpr uint32_t kWindowProbes = 3;

class Recorder {
 public:
  /// Joins a file that others write to: this user's own, or root's. `family`: only this user's own, made for that
  /// family in this pid namespace; nullptr: any. The descriptor used for it is closed again before it returns.
  /// `directory`: a descriptor, or AT_FDCWD.
  bool Join(int directory, const char* path, const char* family = nullptr);
  /// Makes a new file. False: nothing can be recorded; `problem` says why.
  bool Create(int directory, const char* name, const char* family, const char** problem);

  bool recording() const { return base_ != nullptr; }
  trace::Header& header() const { return *reinterpret_cast<trace::Header*>(base_); }
  /// The shared record of how far a region is filled. Its place and size are asked from Capacity() and At().
  trace::Region& region(trace::RegionKind kind) const { return header().regions[static_cast<uint32_t>(kind)]; }
  uint64_t Capacity(trace::RegionKind kind) const { return views_[static_cast<uint32_t>(kind)].capacity; }
  bool created_here() const { return created_here_; }

  /// Claims `count` consecutive elements, side by side in memory and backed by storage. Returns their first index, or
  /// -1 when the trace is full.
  int64_t Claim(trace::RegionKind kind, uint64_t count = 1);

  /// Counts what the region had no room for, and remembers when that began.
  void NoteLost(trace::RegionKind kind, uint64_t count = 1);

  /// Element `index`, whose page must be backed. Whatever the index, the element may be read and written: where the
  /// region has none of it, or its window can't be mapped, it is one that nobody else sees.
  template <typename T>
  T* At(trace::RegionKind kind, uint64_t index) {
    View& view = views_[static_cast<uint32_t>(kind)];
    if (__builtin_expect(index < view.capacity, 1)) {
      char* window = Atomic(view.windows[trace::WindowOf(index, view.first_log2)]).load(std::memory_order_acquire);
      if (__builtin_expect(window != nullptr, 1)) return reinterpret_cast<T*>(window) + index;
    }
    return reinterpret_cast<T*>(AtFar(kind, index));
  }

  /// Makes sure that elements [index, index + count), which lie in one window, may be stored to. `ahead` more pages are
  /// wished for.
  bool Back(trace::RegionKind kind, uint64_t index, uint64_t count = 1, uint32_t ahead = 0);

  /// Whether element `index`, which lies in one page, may be looked at.
  bool IsBacked(trace::RegionKind kind, uint64_t index) const;

  /// Where a hash table is looked into for `key`; `probe` counts from 0 to kTableProbes - 1. Tables are filled window
  /// by window: what all processes of a tree have in common lies close together and is cheap to touch.
  uint64_t TablePlace(trace::RegionKind kind, uint64_t key, uint32_t probe) const {
    const View& view = views_[static_cast<uint32_t>(kind)];
    const uint64_t first = uint64_t{1} << view.first_log2;
    if (__builtin_expect(probe < kWindowProbes && first <= view.capacity, 1)) return (key + probe) % first;
    const uint32_t last = trace::WindowOf(view.capacity - 1, view.first_log2);
    const uint32_t window = probe / kWindowProbes < last ? probe / kWindowProbes : last;
    return view.Begin(window) + (key + probe) % (view.End(window) - view.Begin(window));
  }

  /// Elements that were given back, newest first, linked through a field of theirs (index + 1). The list's head carries
  /// a count of changes above the index, so that an element which left and came back is noticed. -1: none.
  template <typename T>
  int64_t TakeReleased(trace::RegionKind kind, uint32_t T::*next) {
    auto list = Atomic(region(kind).free_list);
    uint64_t head = list.load(std::memory_order_acquire);
    for (int attempts = 0; attempts < kMostAttempts && static_cast<uint32_t>(head) != 0; ++attempts) {
      const uint32_t index = static_cast<uint32_t>(head) - 1;
      if (index >= Capacity(kind) || !IsBacked(kind, index)) return -1;  // the list is damaged
      const uint64_t rest = Atomic(At<T>(kind, index)->*next).load(std::memory_order_relaxed);
      if (list.compare_exchange_weak(head, ((head >> 32) + 1) << 32 | rest)) return index;
    }
    return -1;
  }

  template <typename T>
  void Release(trace::RegionKind kind, uint32_t T::*next, uint32_t index) {
    auto list = Atomic(region(kind).free_list);
    uint64_t head = list.load(std::memory_order_relaxed);
    for (int attempts = 0; attempts < kMostAttempts; ++attempts) {
      Atomic(At<T>(kind, index)->*next).store(static_cast<uint32_t>(head), std::memory_order_relaxed);
      if (list.compare_exchange_weak(head, ((head >> 32) + 1) << 32 | (index + 1))) return;
    }
  }

  /// Backs room ahead in every region, as far as it can be had, for a process that will be forbidden to ask for more.
  void BackAhead();

  /// Where text that the trace holds already may be written over; nullptr: this is no such place.
  char* Rewritable(trace::Text text);

  /// Copies text into the trace; an empty reference when there is no room.
  trace::Text AddText(const char* text, size_t length);

  /// Refreshes Header::latest; a system call.
  void NoteTime();

  /// The program is about to forbid itself to read the time-stamp counter (clock.h).
  void ForgoCounter();

  /// Calls visit(address, size) for each mapping of the file.
  template <typename Visitor>
  void ForEachMapping(Visitor visit) {
    if (base_ == nullptr) return;
    visit(base_, start_pages_ * trace::kPageSize);
    for (View& view : views_) {
      for (uint32_t window = trace::kStartWindows; window < trace::kMaxWindows; ++window) {
        char* start = StartOf(view, window);
        if (start != nullptr) visit(start, view.PagesOf(window) * trace::kPageSize);
      }
    }
  }

 private:
  /// Others change the same word at the same time; more often than this in a row only to do harm.
  static constexpr int kMostAttempts = 1000;

  /// A region as this process knows it.
  struct View {
    uint64_t capacity;
    uint32_t element_size;
    uint32_t first_log2;
    /// Where element 0 would lie if all of the region lay in one piece with this window; nullptr = not mapped.
    char* windows[trace::kMaxWindows];
    uint32_t pages[trace::kMaxWindows];  ///< of the file, where the windows begin
    /// Elements below are backed, as this process knows (its parent's knowledge is right too). For regions that grow:
    /// spares short-lived processes the bitmap's page.
    uint64_t known_backed;
    uint32_t refusals;  ///< attempts to map a window since one failed

    uint64_t Begin(uint32_t window) const { return trace::WindowBegin(window, first_log2); }
    uint64_t End(uint32_t window) const {
      const uint64_t end = Begin(window + 1);
      return end < capacity ? end : capacity;
    }
    uint64_t PagesOf(uint32_t window) const { return trace::PagesFor((End(window) - Begin(window)) * element_size); }
    /// Page of the file that holds byte `within` of element `index`.
    uint64_t PageOf(uint64_t index, uint64_t within = 0) const {
      const uint32_t window = trace::WindowOf(index, first_log2);
      return pages[window] + ((index - Begin(window)) * element_size + within) / trace::kPageSize;
    }
  };

  static char* StartOf(View& view, uint32_t window) {
    char* base = Atomic(view.windows[window]).load(std::memory_order_acquire);
    return base == nullptr ? nullptr : base + view.Begin(window) * view.element_size;
  }

  void Adopt(char* base, const trace::Layout& layout);
  void* MapStart(int fd, uint64_t file_size, const char* family, trace::Layout* layout);
  void* AtFar(trace::RegionKind kind, uint64_t index);
  char* MapWindow(View& view, uint32_t window);
  char* NearestMapped(uint64_t page, uint64_t* mapped_page);
  bool IsMarkedBacked(uint64_t page) const {
    return (Atomic(page_bits_[page / 64]).load(std::memory_order_acquire) >> (page % 64) & 1) != 0;
  }
  uint64_t PagesLeftBy(trace::RegionKind kind) const;
  bool BackPages(View& view, uint32_t window, uint64_t first, uint64_t last);
  void NoteBacked(View& view, uint32_t window, uint64_t last);

  char* base_ = nullptr;
  uint64_t* page_bits_ = nullptr;
  uint64_t start_pages_ = 0;
  uint64_t page_limit_ = 0;
  uint64_t windows_bytes_ = 0;  ///< of the windows that are mapped beyond the start
  bool created_here_ = false;
  View views_[trace::kMaxRegions] = {};
};

inline constinit Recorder recorder;

}  // namespace fdaudit::shim
