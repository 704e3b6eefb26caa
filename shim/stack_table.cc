#include "shim/stack_table.h"

#include <cstring>

#include "shim/objects.h"
#include "shim/options.h"
#include "shim/process.h"
#include "shim/recorder.h"
#include "shim/text.h"

namespace fdaudit::shim {
namespace {

using trace::ModuleRecord;
using trace::RegionKind;
using trace::StackEntry;

/// A number by its key. An entry is two words that vouch for each other: a torn one does not match. The first page of a
/// table is tried first, so that short-lived processes touch no other.
struct CachedNumber {
  uint64_t check;  ///< key ^ number * kMixer
  uint64_t number;
};
constexpr uint64_t kMixer = 0x9e3779b97f4a7c15;
constexpr uint64_t kNearby = 256;
constexpr uint64_t kSize = 4096;

class NumberCache {
 public:
  uint64_t Find(uint64_t key) {
    const uint64_t number = FindAt(key % kNearby, key);
    return number != 0 ? number : FindAt(key % kSize, key);
  }

  void Remember(uint64_t key, uint64_t number) {
    CachedNumber* entry = &entries_[key % kNearby];
    if (entry->number != 0) entry = &entries_[key % kSize];
    Atomic(entry->check).store(key ^ number * kMixer, std::memory_order_relaxed);
    Atomic(entry->number).store(number, std::memory_order_relaxed);
  }

 private:
  uint64_t FindAt(uint64_t index, uint64_t key) {
    CachedNumber& entry = entries_[index];
    const uint64_t number = Atomic(entry.number).load(std::memory_order_relaxed);
    const uint64_t check = Atomic(entry.check).load(std::memory_order_relaxed);
    return number != 0 && (check ^ number * kMixer) == key ? number : 0;
  }

  CachedNumber entries_[kSize] = {};
};

constinit NumberCache cached_stacks;        ///< hash of the addresses → stack number
constinit NumberCache cached_modules;       ///< start of the mapping → module number
constinit uint64_t address_generation = 0;  ///< of cached_modules

constinit char preloaded[1024] = "";

/// True where LD_PRELOAD names the module: as it was mapped, or by the name without a folder.
bool IsPreloaded(const char* path) {
  const char* name = BaseName(path);
  for (const char* entry = preloaded; *entry != '\0';) {
    const size_t length = strcspn(entry, " :");
    for (const char* wanted : {path, name}) {
      if (length != 0 && strlen(wanted) == length && memcmp(entry, wanted, length) == 0) return true;
    }
    entry += length + (entry[length] != '\0' ? 1 : 0);
  }
  return false;
}

void FillModule(ModuleRecord* record, const Module& module, const char* path, std::span<const uint8_t> build_id) {
  if (Atomic(record->ready).load(std::memory_order_acquire) != 0) return;
  // Several may fill it at once, or again after one was killed half-way: all store the same bytes.
  record->build_id_size =
      static_cast<uint32_t>(build_id.size() < sizeof record->build_id ? build_id.size() : sizeof record->build_id);
  memcpy(record->build_id, build_id.data(), record->build_id_size);
  record->size = module.map_end - module.map_start;
  if (module.name[0] == '\0') record->flags = trace::kModuleIsMain;
  if (IsPreloaded(module.name)) record->flags |= trace::kModulePreloaded;
  const size_t length = strlen(path);
  const size_t kept = length < sizeof record->path ? length : sizeof record->path - 1;
  memcpy(record->path, path + length - kept, kept);
  record->path_size = static_cast<uint16_t>(kept);
  Atomic(record->ready).store(1, std::memory_order_release);
}

/// Both tables of the trace are filled from their first page on: what all processes of a tree have in common lies close
/// together, and is cheap to touch.
constexpr uint64_t kFirstModules = trace::kPageSize / sizeof(ModuleRecord);
constexpr uint64_t kProbes = 64;
constexpr uint64_t kFirstProbes = 8;

uint64_t StackPlace(uint64_t key, uint64_t probe, uint64_t capacity) {
  constexpr uint64_t kFirstPage = trace::kPageSize / sizeof(StackEntry);
  return probe < kFirstProbes ? (key + probe) % (kFirstPage < capacity ? kFirstPage : capacity)
                              : (key + probe) % capacity;
}

/// Index + 1 of the module in the trace; 0 = no room.
uint32_t InternModule(const Module& module) {
  const char* path = module.name[0] == '\0' ? executable_path : module.name;
  const std::span<const uint8_t> build_id = BuildId(module);
  uint64_t key = HashBytes(build_id.data(), build_id.size(), HashBytes(path, strlen(path)));
  if (key == 0) key = 1;
  trace::Region& region = recorder.region(RegionKind::kModules);
  for (uint64_t probe = 0; probe < region.capacity; ++probe) {
    const uint64_t index = (key % kFirstModules + probe) % region.capacity;
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
  const uint64_t key = (module.map_start >> 12) ^ address_generation << 40;
  uint64_t number = cached_modules.Find(key);
  if (number == 0) {
    number = InternModule(module);
    if (number == 0) return bare | mark;
    cached_modules.Remember(key, number);
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
  for (uint64_t probe = 0; probe < kProbes; ++probe) {
    const uint64_t index = StackPlace(key, probe, region.capacity);
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
  uint64_t number = cached_stacks.Find(hash);
  if (__builtin_expect(number == 0, 0)) {
    number = StoreStack(caller);
    if (number != 0) cached_stacks.Remember(hash, number);
  }
  return static_cast<uint32_t>(number);
}

void RememberPreloaded(const char* list) {
  // One entry is the shim alone.
  if (list != nullptr && strpbrk(list, " :") != nullptr) TextBuilder(preloaded, sizeof preloaded).Add(list);
}

void ForgetAddresses() {
  ++address_generation;
  ForgetRules();
  ForgetModules();
}

}  // namespace fdaudit::shim
