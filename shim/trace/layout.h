#pragma once

// What a trace file's regions are, how large they may become, and where their windows lie. The file is sparse: sizes
// are reach, not cost. Address space, however, is charged (RLIMIT_AS, mlockall) when it is mapped. So the first three
// windows of every region lie side by side at the file's start, and each writer maps those at once; further ones it
// maps when it needs them (recorder.h). Windows of one size lie together, so that none is far from a mapped one.
//
// A layout follows from two numbers that the header holds, layout_shift and the journal's capacity. A writer that joins
// a file computes it anew and compares, and never looks at the header's copy again.

#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::trace {

/// Where an element is.
enum class Order : uint8_t {
  kAppended,   ///< at the next index: those below Region::used
  kScattered,  ///< found by key, or the elements are a ring: all of the capacity may be in use
};

struct RegionPlan {
  RegionKind kind;
  Order order;
  uint32_t element_size;
  uint32_t first_log2;  ///< elements of the first window
  uint64_t capacity;
};

/// One row for each kind. First what every process touches: it lies in few pages, which the kernel maps together.
inline constexpr RegionPlan kRegionPlans[] = {
    {RegionKind::kImages, Order::kAppended, sizeof(ImageRecord), 4, 65536},
    {RegionKind::kSlots, Order::kAppended, sizeof(SlotBlock), 2, 65536},
    {RegionKind::kText, Order::kAppended, 1, 13, 32 << 20},
    {RegionKind::kStackIndex, Order::kScattered, sizeof(StackEntry), 8, 262144},
    {RegionKind::kStackWords, Order::kAppended, sizeof(uint64_t), 9, 8 << 20},
    {RegionKind::kModules, Order::kScattered, sizeof(ModuleRecord), 4, 4096},
    {RegionKind::kCloseCounts, Order::kScattered, sizeof(CloseCount), 8, 65536},
    {RegionKind::kJournal, Order::kScattered, sizeof(JournalBlock), 4, 16384},
    {RegionKind::kFindings, Order::kAppended, sizeof(FindingRecord), 4, 16384},
    {RegionKind::kNotes, Order::kScattered, sizeof(NoteKey), 8, 16384},
    {RegionKind::kPythonCode, Order::kScattered, sizeof(PythonCode), 7, 65536},
    {RegionKind::kContexts, Order::kAppended, sizeof(ContextChange), 8, 262144},
    {RegionKind::kCalls, Order::kScattered, sizeof(CallName), 9, 512},
};
inline constexpr uint32_t kSmallestShift = 10;  ///< the smallest layout has 1/1,024 of each capacity
inline constexpr uint32_t kStartWindows = 3;    ///< of each region, mapped from the start on
inline constexpr uint64_t kBitmapPages = 16;    ///< enough for 2 GiB
inline constexpr uint64_t kMaxFileSize = kBitmapPages * kPageSize * 8 * kPageSize;

constexpr uint64_t PagesFor(uint64_t bytes) { return (bytes + kPageSize - 1) / kPageSize; }

struct Layout {
  Region regions[kMaxRegions];  ///< by kind
  uint64_t bitmap_page;         ///< where the page bitmap begins; all before it is touched by every process
  uint64_t start_pages;         ///< what every writer maps
  uint64_t pages;               ///< of the file
};

/// Elements of a region's window `window`, as far as its capacity reaches.
constexpr uint64_t WindowElements(const Region& region, uint32_t window) {
  const uint64_t begin = WindowBegin(window, region.first_log2);
  const uint64_t end = WindowBegin(window + 1, region.first_log2);
  return region.capacity <= begin ? 0 : (region.capacity < end ? region.capacity : end) - begin;
}

/// Lays out a file with the planned capacities >> shift, and `journal_blocks`.
constexpr void LayOut(uint32_t shift, uint64_t journal_blocks, Layout* layout) {
  for (const RegionPlan& plan : kRegionPlans) {
    Region& region = layout->regions[static_cast<uint32_t>(plan.kind)];
    region.kind = plan.kind;
    region.element_size = plan.element_size;
    region.first_log2 = plan.first_log2;
    region.capacity = plan.capacity >> shift;
    if (plan.kind == RegionKind::kCalls) region.capacity = plan.capacity;
    if (plan.kind == RegionKind::kJournal) region.capacity = journal_blocks;
    while (WindowBegin(kMaxWindows, region.first_log2) < region.capacity) ++region.first_log2;
  }
  uint64_t end = 1;  // behind the header
  for (uint32_t window = 0; window < kMaxWindows; ++window) {
    for (const RegionPlan& plan : kRegionPlans) {
      Region& region = layout->regions[static_cast<uint32_t>(plan.kind)];
      const uint64_t elements = WindowElements(region, window);
      region.windows[window] = elements == 0 ? 0 : static_cast<uint32_t>(end);
      end += PagesFor(elements * region.element_size);
    }
    if (window == 0) {
      layout->bitmap_page = end;
      end += kBitmapPages;
    }
    if (window + 1 == kStartWindows) layout->start_pages = end;
  }
  layout->pages = end;
}

}  // namespace fdaudit::trace
