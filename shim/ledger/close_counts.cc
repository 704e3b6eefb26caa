#include "shim/ledger/close_counts.h"

#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::CloseCount;
using trace::RegionKind;

// Where threads or processes count the same pair at once, each begins to look elsewhere and gets an entry of its own:
// one that both add to would cost each of them ten times as much.
constexpr uint64_t kShards = 4;
constexpr uint64_t kFirstEntries = trace::kPageSize / sizeof(CloseCount);

/// The count of a pair; nullptr where there is no room.
uint64_t* Find(uint64_t key, uint32_t thread) {
  trace::Region& region = recorder.region(RegionKind::kCloseCounts);
  const uint64_t hash = (key ^ thread % kShards << 60) * 0x9e3779b97f4a7c15 >> 32;
  for (uint32_t probe = 0; probe < kTableProbes; ++probe) {
    const uint64_t index = recorder.TablePlace(RegionKind::kCloseCounts, hash, probe);
    const uint32_t ahead = index < kFirstEntries ? 1 : 0;  // the first page is remembered to be there
    if (!recorder.Back(RegionKind::kCloseCounts, index, 1, ahead)) break;
    auto* entry = recorder.At<CloseCount>(RegionKind::kCloseCounts, index);
    uint64_t found = Atomic(entry->key).load(std::memory_order_relaxed);
    if (found == 0 && Atomic(entry->key).compare_exchange_strong(found, key)) {
      Atomic(region.used).fetch_add(1, std::memory_order_relaxed);
      found = key;
    }
    if (found == key) return &entry->count;
  }
  recorder.NoteLost(RegionKind::kCloseCounts);
  return nullptr;
}

void Add(const trace::Incarnation& life, uint64_t number) {
  const bool is_known = life.opened.stack != trace::kNoIndex && life.closed.stack != trace::kNoIndex;
  const bool is_own = life.opened.image == life.closed.image && (life.opened.flags & trace::kActInherited) == 0;
  if (!is_known || !is_own) return;
  uint64_t* count = Find(uint64_t{life.opened.stack} << 32 | life.closed.stack, life.closed.thread);
  if (count != nullptr) Atomic(*count).fetch_add(number, std::memory_order_relaxed);
}

}  // namespace

void CountClose(const trace::Incarnation& life) { Add(life, 1); }

void UncountClose(const trace::Incarnation& life) { Add(life, ~uint64_t{0}); }

}  // namespace fdaudit::shim
