#include "shim/stack_table.h"

#include <cstring>

#include "shim/objects.h"
#include "shim/options.h"
#include "shim/raw_io.h"
#include "shim/recorder.h"
#include "shim/text.h"

namespace fdaudit::shim {
namespace {

using trace::ModuleRecord;
using trace::RegionKind;
using trace::StackEntry;

/// Hash of a stack's addresses → its number. An entry is two words that vouch for each other: a torn one does not
/// match.
struct CachedStack {
  uint64_t check;  ///< hash ^ (number * kMixer)
  uint64_t number;
};
constexpr uint64_t kMixer = 0x9e3779b97f4a7c15;
constexpr uint32_t kCachedStacks = 4096;  // 64 KiB
constexpr uint32_t kWays = 2;
constinit CachedStack cached_stacks[kCachedStacks] = {};

/// Start of a mapping → its module's index, the same way. Emptied by ForgetAddresses().
constexpr uint32_t kCachedModules = 128;
constinit CachedStack cached_modules[kCachedModules] = {};
constinit uint64_t address_generation = 0;

uint64_t Lookup(const CachedStack* table, uint64_t index, uint64_t key) {
  for (uint32_t way = 0; way < kWays; ++way) {
    const CachedStack& entry = table[index ^ way];
    const uint64_t number = Atomic(const_cast<uint64_t&>(entry.number)).load(std::memory_order_relaxed);
    const uint64_t check = Atomic(const_cast<uint64_t&>(entry.check)).load(std::memory_order_relaxed);
    if (number != 0 && (check ^ number * kMixer) == key) return number;
  }
  return 0;
}

void Remember(CachedStack* table, uint64_t index, uint64_t key, uint64_t number) {
  CachedStack* entry = &table[index];
  if (entry->number != 0) entry = &table[index ^ 1];
  Atomic(entry->check).store(key ^ number * kMixer, std::memory_order_relaxed);
  Atomic(entry->number).store(number, std::memory_order_relaxed);
}

void FillModule(ModuleRecord* record, const Module& module, const char* path, std::span<const uint8_t> build_id) {
  if (Atomic(record->ready).load(std::memory_order_acquire) != 0) return;
  // Several may fill it at once, or again after one was killed half-way: all store the same bytes.
  record->build_id_size =
      static_cast<uint32_t>(build_id.size() < sizeof record->build_id ? build_id.size() : sizeof record->build_id);
  memcpy(record->build_id, build_id.data(), record->build_id_size);
  record->size = module.map_end - module.map_start;
  if (module.name[0] == '\0') record->flags = trace::kModuleIsMain;
  const size_t length = strlen(path);
  const size_t kept = length < sizeof record->path ? length : sizeof record->path - 1;
  memcpy(record->path, path + length - kept, kept);
  record->path_size = static_cast<uint16_t>(kept);
  Atomic(record->ready).store(1, std::memory_order_release);
}

/// Index + 1 of the module in the trace; 0 = no room.
uint32_t InternModule(const Module& module) {
  char main_path[512];
  const char* path = module.name;
  if (path[0] == '\0') {
    const long length = SystemCallsAllowed() ? raw::ReadLink("/proc/self/exe", main_path, sizeof main_path - 1) : 0;
    main_path[length > 0 ? length : 0] = '\0';
    path = main_path;
  }
  const std::span<const uint8_t> build_id = BuildId(module);
  uint64_t key = HashBytes(build_id.data(), build_id.size(), HashBytes(path, strlen(path)));
  if (key == 0) key = 1;
  trace::Region& region = recorder.region(RegionKind::kModules);
  for (uint64_t probe = 0; probe < region.capacity; ++probe) {
    const uint64_t index = (key + probe) % region.capacity;
    if (!recorder.Back(RegionKind::kModules, index)) return 0;
    auto* record = recorder.At<ModuleRecord>(RegionKind::kModules, index);
    uint64_t found = 0;
    if (Atomic(record->key).compare_exchange_strong(found, key)) {
      Atomic(region.used).fetch_add(1, std::memory_order_relaxed);
      found = key;
    }
    if (found != key) continue;
    FillModule(record, module, path, build_id);
    return static_cast<uint32_t>(index) + 1;
  }
  Atomic(region.lost).fetch_add(1, std::memory_order_relaxed);
  return 0;
}

/// The frame word of an address (trace::kFrameOffsetBits).
uint64_t FrameWord(uintptr_t pc, bool exact) {
  Module module;
  const uint64_t bare = pc & trace::kFrameOffsetMask;
  const uint64_t mark = exact ? trace::kFrameExact : 0;
  if (!FindModule(exact ? pc : pc - 1, &module)) return bare | mark;
  const uint64_t key = (module.map_start ^ address_generation << 48) + 1;
  const uint64_t place = (module.map_start >> 12) % kCachedModules;
  uint64_t number = Lookup(cached_modules, place, key);
  if (number == 0) {
    number = InternModule(module);
    if (number == 0) return bare | mark;
    Remember(cached_modules, place, key, number);
  }
  return number << trace::kFrameOffsetBits | mark | ((pc - module.load_bias) & trace::kFrameOffsetMask);
}

bool StoreFrames(StackEntry* entry, const uint64_t* words, uint32_t count, uint16_t flags) {
  const int64_t first = recorder.Claim(RegionKind::kStackWords, count);
  if (first < 0) return false;
  memcpy(recorder.At<uint64_t>(RegionKind::kStackWords, static_cast<uint64_t>(first)), words, count * sizeof *words);
  entry->frames = static_cast<uint16_t>(count);
  entry->flags = flags;
  Atomic(entry->words).store(static_cast<uint32_t>(first), std::memory_order_release);
  return true;
}

/// The number of the stack with these frames.
uint32_t InternStack(const uint64_t* words, uint32_t count, uint16_t flags) {
  uint64_t key = flags;
  for (uint32_t i = 0; i < count; ++i) {
    key = (key ^ words[i]) * kMixer;
    key ^= key >> 29;
  }
  if (key == 0) key = 1;
  trace::Region& region = recorder.region(RegionKind::kStackIndex);
  for (uint64_t probe = 0; probe < 64 && probe < region.capacity; ++probe) {
    const uint64_t index = (key + probe) % region.capacity;
    if (!recorder.Back(RegionKind::kStackIndex, index)) break;
    auto* entry = recorder.At<StackEntry>(RegionKind::kStackIndex, index);
    uint64_t found = 0;
    if (Atomic(entry->key).compare_exchange_strong(found, key)) {
      Atomic(region.used).fetch_add(1, std::memory_order_relaxed);
      found = key;
    }
    if (found != key) continue;
    // Another may be storing the same frames just now, or was killed while it did: store them (again).
    const bool stored = Atomic(entry->words).load(std::memory_order_acquire) != 0;
    return stored || StoreFrames(entry, words, count, flags) ? static_cast<uint32_t>(index) + 1 : 0;
  }
  Atomic(region.lost).fetch_add(1, std::memory_order_relaxed);
  return 0;
}

/// Kept out of the fast path's stack frame, and no larger than the depth asked for: threads may have 16 KB of stack.
__attribute__((noinline)) uint32_t StoreStack(const CallerRegisters& caller) {
  auto* words = static_cast<uint64_t*>(__builtin_alloca(options.depth * sizeof(uint64_t)));
  StackWalk walk(caller, options.depth);
  uint32_t count = 0;
  while (count < options.depth && walk.Next()) words[count++] = FrameWord(walk.pc(), walk.exact());
  if (count == options.depth) walk.Next();
  const auto flags =
      static_cast<uint16_t>((walk.cut() ? trace::kStackCut : 0) | (walk.broken() ? trace::kStackBroken : 0));
  return count == 0 ? 0 : InternStack(words, count, flags);
}

}  // namespace

uint32_t StackNumber(const CallerRegisters& caller, bool nested) {
  const uint64_t hash = HashStack(caller, options.depth, nested);
  const uint64_t place = hash % kCachedStacks;
  uint64_t number = Lookup(cached_stacks, place, hash);
  if (__builtin_expect(number == 0, 0)) {
    number = StoreStack(caller);
    if (number != 0) Remember(cached_stacks, place, hash, number);
  }
  return static_cast<uint32_t>(number);
}

void ForgetAddresses() {
  ++address_generation;
  ForgetRules();
  ForgetModules();
}

}  // namespace fdaudit::shim
