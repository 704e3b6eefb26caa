#pragma once

// How large a new trace file is laid out: what each region gets when there is room, and how all of it shrinks when
// there is not. The file is sparse; sizes are reach, not cost.

#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::shim {

struct RegionPlan {
  trace::RegionKind kind;
  uint32_t element_size;
  uint64_t capacity;
};

inline constexpr RegionPlan kRegionPlans[] = {
    {trace::RegionKind::kCalls, sizeof(trace::CallName), 512},
    {trace::RegionKind::kImages, sizeof(trace::ImageRecord), 65536},
    {trace::RegionKind::kModules, sizeof(trace::ModuleRecord), 4096},
    {trace::RegionKind::kStackIndex, sizeof(trace::StackEntry), 262144},
    {trace::RegionKind::kStackWords, sizeof(uint64_t), 8 << 20},
    {trace::RegionKind::kText, 1, 32 << 20},
    {trace::RegionKind::kSlots, sizeof(trace::SlotBlock), 65536},
    {trace::RegionKind::kFindings, sizeof(trace::FindingRecord), 16384},
    {trace::RegionKind::kCloseCounts, sizeof(trace::CloseCount), 65536},
    {trace::RegionKind::kPythonCode, sizeof(trace::PythonCode), 65536},
    {trace::RegionKind::kContexts, sizeof(trace::ContextChange), 262144},
    {trace::RegionKind::kJournal, sizeof(trace::JournalBlock), 16384},
};
inline constexpr uint32_t kSmallestShift = 10;  ///< the smallest layout has 1/1,024 of each capacity

/// Lays the regions out one behind another, each of its planned capacity >> shift, and returns the file's size in
/// bytes. regions[K] is the region of kind K.
inline uint64_t LayOut(uint32_t shift, uint64_t journal_blocks, trace::Region (&regions)[trace::kMaxRegions]) {
  uint64_t end = 0;
  const auto place = [&end](uint64_t size) {
    const uint64_t offset = end;
    end += (size + trace::kPageSize - 1) / trace::kPageSize * trace::kPageSize;
    return offset;
  };
  place(trace::kPageSize);       // the header
  place(16 * trace::kPageSize);  // the page bitmap: enough for 2 GiB
  for (const RegionPlan& plan : kRegionPlans) {
    trace::Region& region = regions[static_cast<uint32_t>(plan.kind)];
    region.kind = plan.kind;
    region.element_size = plan.element_size;
    region.capacity = plan.kind == trace::RegionKind::kCalls     ? plan.capacity
                      : plan.kind == trace::RegionKind::kJournal ? journal_blocks
                                                                 : plan.capacity >> shift;
    region.offset = place(region.capacity * region.element_size);
  }
  return end;
}
inline constexpr uint64_t kPageBitmapOffset = trace::kPageSize;
inline constexpr uint64_t kMaxFileSize = uint64_t{16} * trace::kPageSize * 8 * trace::kPageSize;

}  // namespace fdaudit::shim
