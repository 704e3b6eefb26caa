#include "shim/stack/table.h"

#include <cstring>

#include "shim/base/large.h"
#include "shim/base/number_cache.h"
#include "shim/base/options.h"
#include "shim/base/text.h"
#include "shim/base/thread.h"
#include "shim/process/image.h"
#include "shim/runtimes/python/code.h"
#include "shim/runtimes/python/interpreter.h"
#include "shim/stack/objects.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {
namespace {

using trace::ModuleRecord;
using trace::RegionKind;
using trace::StackEntry;

constexpr uint64_t kMixer = 0x9e3779b97f4a7c15;
/// Makes the keys of single callers others than those of whole paths.
constexpr uint64_t kOneFrame = uint64_t{1} << 63;

FDAUDIT_LARGE constinit NumberCache<4096> cached_stacks;   ///< hash of the addresses → stack number, or PathTraits
FDAUDIT_LARGE constinit NumberCache<4096> cached_modules;  ///< start of the mapping → module number
constinit uint64_t address_generation = 0;                 ///< of cached_modules

constinit char preloaded[1024] = "";

/// True where LD_PRELOAD names the module: as it was mapped, or by the name without a folder.
bool IsPreloaded(const char* path) {
  const char* name = BaseName(path);
  for (const char* entry = preloaded; *entry != '\0';) {
    const size_t length = LengthUntil(entry, " :");
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

constexpr uint64_t kFirstModules = trace::kPageSize / sizeof(ModuleRecord);

/// Index + 1 of the module in the trace; 0 = no room.
uint32_t InternModule(const Module& module) {
  const char* path = module.name[0] == '\0' ? executable_path : module.name;
  const std::span<const uint8_t> build_id = BuildId(module);
  uint64_t key = HashBytes(build_id.data(), build_id.size(), HashBytes(path, strlen(path)));
  if (key == 0) key = 1;
  if (options.python) python::Consider(module.map, module.map_start, module.map_end);
  trace::Region& region = recorder.region(RegionKind::kModules);
  const uint64_t capacity = recorder.Capacity(RegionKind::kModules);
  for (uint64_t probe = 0; probe < capacity; ++probe) {
    const uint64_t index = (key % kFirstModules + probe) % capacity;
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
  recorder.NoteLost(RegionKind::kModules);
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

/// The last entries of the index, and as many words, are for stacks of one frame: where the table is full, who called
/// is still known.
uint64_t ReservedEntries() { return recorder.Capacity(RegionKind::kStackIndex) / 16; }

bool StoreFrames(StackEntry* entry, const uint64_t* words, uint32_t count, uint16_t flags) {
  const uint64_t used = Atomic(recorder.region(RegionKind::kStackWords).used).load(std::memory_order_relaxed);
  if (count > 1 && used + count + ReservedEntries() > recorder.Capacity(RegionKind::kStackWords)) return false;
  const int64_t first = recorder.Claim(RegionKind::kStackWords, count);
  if (first < 0) return false;
  memcpy(recorder.At<uint64_t>(RegionKind::kStackWords, static_cast<uint64_t>(first)), words, count * sizeof *words);
  entry->frames = static_cast<uint16_t>(count);
  entry->flags = flags;
  Atomic(entry->words).store(static_cast<uint32_t>(first), std::memory_order_release);
  return true;
}

/// Whether a stack may take entry `index`.
bool MayTake(uint64_t index, uint32_t count) {
  return count == 1 || index < recorder.Capacity(RegionKind::kStackIndex) - ReservedEntries();
}

/// Where the stack may lie.
uint64_t PlaceOf(uint64_t key, uint32_t probe, bool is_last_resort) {
  if (!is_last_resort) return recorder.TablePlace(RegionKind::kStackIndex, key, probe);
  const uint64_t reserved = ReservedEntries();
  return recorder.Capacity(RegionKind::kStackIndex) - 1 - (reserved == 0 ? 0 : (key + probe) % reserved);
}

/// The number of the stack with these frames; 0 where it finds no room.
uint32_t Intern(const uint64_t* words, uint32_t count, uint16_t flags, bool is_last_resort) {
  uint64_t key = flags;
  for (uint32_t i = 0; i < count; ++i) {
    key = (key ^ words[i]) * kMixer;
    key ^= key >> 29;
  }
  if (key == 0) key = 1;
  trace::Region& region = recorder.region(RegionKind::kStackIndex);
  for (uint32_t probe = 0; probe < kTableProbes; ++probe) {
    const uint64_t index = PlaceOf(key, probe, is_last_resort);
    if (!MayTake(index, count)) continue;
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
  return 0;
}

/// The number of the stack with these frames, or of its innermost one alone where there is no more room.
uint32_t InternStack(const uint64_t* words, uint32_t count, uint16_t flags) {
  const uint32_t number = Intern(words, count, flags, false);
  if (number != 0) return number;
  recorder.NoteLost(RegionKind::kStackIndex);
  return Intern(words, 1, flags | trace::kStackCut, true);
}

/// Of a call path's native frames, in place of a number: Python frames may belong among them, and make it one of many.
enum PathTraits : uint64_t {
  kInterpreted = uint64_t{1} << 32,
  kInterrupted = uint64_t{1} << 33,  ///< a signal handler is among them
};

uint16_t FlagsOf(const StackWalk& walk) {
  return static_cast<uint16_t>((walk.cut() ? trace::kStackCut : 0) | (walk.broken() ? trace::kStackBroken : 0));
}

/// The number of a path of native frames, or its traits. Kept out of the fast path's stack frame, and no larger than
/// the depth asked for: threads may have 16 KB of stack.
__attribute__((noinline)) uint64_t StoreStack(const CallerRegisters& caller) {
  auto* words = static_cast<uint64_t*>(__builtin_alloca(options.depth * sizeof(uint64_t)));
  const bool new_interpreter = python::knowledge != python::Knowledge::kKnown;
  StackWalk walk(caller, options.depth);
  uint32_t count = 0;
  uint64_t traits = 0;
  while (count < options.depth && walk.Next()) {
    words[count++] = FrameWord(walk.pc(), walk.exact());
    if (python::IsInterpreter(walk.pc())) traits |= kInterpreted;
    if (walk.exact()) traits |= kInterrupted;
  }
  if (count == options.depth) walk.Next();
  if (python::knowledge == python::Knowledge::kKnown) {
    // What is beyond the walk's end may be the interpreter's.
    if (new_interpreter || walk.cut() || walk.broken()) traits |= kInterpreted;
    if ((traits & kInterpreted) != 0) return traits;
  }
  return count == 0 ? 0 : InternStack(words, count, FlagsOf(walk));
}

/// Native frames and Python frames, as they are put together: each evaluation's native frame gives way to the Python
/// frames that it executes.
class MergedStack {
 public:
  MergedStack(uint64_t* words, uintptr_t python_thread, bool guarded)
      : words_(words), runs_(python_thread, guarded), guarded_(guarded) {
    has_run_ = python_thread != 0 && runs_.NextRun();
  }

  void Add(const CallerRegisters& caller) {
    StackWalk walk(caller, options.depth);
    bool any = walk.Next();
    uintptr_t sp = 0;
    while (any && !full_) {
      const uintptr_t pc = walk.pc();
      const bool exact = walk.exact();
      sp = walk.frame().sp;
      any = walk.Next();
      // A signal handler's frames may lie anywhere.
      const bool evaluates = any && !walk.exact() && has_run_ && Executes(pc, sp, walk.frame().sp);
      if (evaluates) {
        AddRun();
      } else {
        words_[count_++] = FrameWord(pc, exact);
      }
    }
    flags_ = FlagsOf(walk);
    // What is further out is still known from its Python frames.
    while ((walk.cut() || walk.broken()) && has_run_ && MayLieBeyond(sp) && !full_) AddRun();
    if (full_) flags_ = trace::kStackCut;
  }

  uint32_t Number() const { return count_ == 0 ? 0 : InternStack(words_, count_, flags_); }

 private:
  /// Whether the native frame [sp, end) is the evaluation of the run.
  bool Executes(uintptr_t pc, uintptr_t sp, uintptr_t end) const {
    return runs_.place() == 0 ? python::IsEvaluation(pc) : runs_.place() >= sp && runs_.place() < end;
  }

  bool MayLieBeyond(uintptr_t sp) const { return runs_.place() == 0 || runs_.place() >= sp; }

  void AddRun() {
    python::PythonFrame frame;
    while (!full_ && runs_.NextFrame(&frame)) {
      full_ = python_count_ == options.depth;
      if (full_) return;
      words_[count_++] = python::FrameWord(frame, guarded_);
      ++python_count_;
    }
    has_run_ = runs_.NextRun();
  }

  uint64_t* words_;
  python::Runs runs_;
  const bool guarded_;
  bool has_run_;
  bool full_ = false;  ///< there are more Python frames than are kept
  uint16_t flags_ = 0;
  uint32_t count_ = 0;
  uint32_t python_count_ = 0;
};

__attribute__((noinline)) uint32_t StoreMerged(const CallerRegisters& caller, uintptr_t python_thread, bool guarded) {
  auto* words = static_cast<uint64_t*>(__builtin_alloca(2 * options.depth * sizeof(uint64_t)));
  MergedStack stack(words, python_thread, guarded);
  stack.Add(caller);
  return stack.Number();
}

/// The number of a path of which the native frames are known already.
uint32_t PythonStackNumber(const CallerRegisters& caller, uint64_t native_hash, bool guarded) {
  uintptr_t python_thread = 0;
  uint64_t frames = python::kNoFrames;
  // What the TLS says may be about another thread (see ThreadState::guests).
  if (thread_state.guests == 0) frames = python::HashThread(options.depth, &guarded, &python_thread);
  const uint64_t key = native_hash ^ (frames + 1) * kMixer;
  uint64_t number = cached_stacks.Find(key);
  if (__builtin_expect(number == 0, 0)) {
    number = StoreMerged(caller, python_thread, guarded);
    if (number != 0) cached_stacks.Remember(key, number);
  }
  return static_cast<uint32_t>(number);
}

}  // namespace

uint32_t StackNumber(const CallerRegisters& caller, bool nested) {
  const uint64_t hash = HashStack(caller, options.depth, nested);
  uint64_t known = cached_stacks.Find(hash);
  if (__builtin_expect(known == 0, 0)) {
    known = StoreStack(caller);
    if (known != 0) cached_stacks.Remember(hash, known);
  }
  if ((known & kInterpreted) == 0) return static_cast<uint32_t>(known);
  return PythonStackNumber(caller, hash, nested || (known & kInterrupted) != 0);
}

uint32_t CallerNumber(uintptr_t pc) {
  const uint64_t key = (pc ^ address_generation << 48 ^ kOneFrame) * kMixer;
  uint64_t number = cached_stacks.Find(key);
  if (__builtin_expect(number == 0, 0)) {
    const uint64_t word = FrameWord(pc, false);
    number = InternStack(&word, 1, trace::kStackCut);
    if (number != 0) cached_stacks.Remember(key, number);
  }
  return static_cast<uint32_t>(number);
}

void RememberPreloaded(const char* list) {
  // One entry is the shim alone.
  if (list != nullptr && list[LengthUntil(list, " :")] != '\0') TextBuilder(preloaded, sizeof preloaded).Add(list);
}

void ForgetAddresses() {
  ++address_generation;
  ForgetRules();
  ForgetModules();
}

}  // namespace fdaudit::shim
