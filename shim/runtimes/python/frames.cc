// See frames.h.

#include "shim/runtimes/python/frames.h"

#include <atomic>

#include "shim/base/large.h"
#include "shim/runtimes/python/memory.h"
#include "shim/runtimes/python/str.h"

namespace fdaudit::shim::python {
namespace {

constexpr uint32_t kLongestRun = 1 << 20;  // a chain that is longer is damaged, or a ring

constexpr uint64_t kHashBase = 0xd6e8feb86659fd93U;  // odd, so that powers never vanish

/// Words are mixed each for itself, and joined as a polynomial: one word's mixing does not wait for another's.
uint64_t Mix(uint64_t value) {
  value *= 0x9e3779b97f4a7c15U;
  return value ^ value >> 29;
}

/// The low `bytes` of a word, as they lie in memory first.
uint64_t Front(uint64_t word, uint64_t bytes) { return bytes >= 8 ? word : word & ((uint64_t{1} << 8 * bytes) - 1); }

/// In place of Python's own hash of a str or bytes, as long as it was not asked for. The one of a line table was asked
/// for when the compiler made it, and says more about it than a few of its words.
constexpr uint64_t kNoHash = ~uint64_t{0};

/// A str that has no hash yet, by its length and its end.
template <typename Memory>
__attribute__((always_inline)) inline uint64_t UnhashedStr(const Layout& layout, uintptr_t text) {
  const auto length = Load<Memory>(text + kSizeOffset);
  const uint64_t sum = text ^ length << 48;
  if (!StrForm(Load<Memory, uint32_t>(text + kStrStateOffset)).ascii) return sum;
  const uintptr_t data = text + layout.ascii_data;
  return sum + Mix(length >= 8 ? Load<Memory>(data + length - 8) : Front(Load<Memory>(data), length));
}

/// A bytes object that has no hash yet, of which the first words and the last one are looked at: all, if it is short.
template <typename Memory>
uint64_t UnhashedBytes(uintptr_t bytes) {
  constexpr uint64_t kWhole = 64;
  const auto size = Load<Memory>(bytes + kSizeOffset);
  const uintptr_t data = bytes + kBytesDataOffset;
  uint64_t sum = bytes ^ size << 40;
  if (size < 8) return sum + Mix(Front(Load<Memory>(data), size));
  const uint64_t last = size - 8;
  for (uint64_t at = 0; at < last && at < kWhole; at += 8) sum = sum * kHashBase + Mix(Load<Memory>(data + at));
  if (last > kWhole) sum = sum * kHashBase + Mix(Load<Memory>(data + last / 2));
  return sum * kHashBase + Mix(Load<Memory>(data + last));
}

template <typename Memory>
__attribute__((always_inline)) inline uint64_t StrIdentity(const Layout& layout, uintptr_t text) {
  const auto hash = Load<Memory>(text + kStrHashOffset);
  return hash != kNoHash ? text ^ hash : UnhashedStr<Memory>(layout, text);
}

template <typename Memory>
__attribute__((always_inline)) inline uint64_t BytesIdentity(uintptr_t bytes) {
  const auto hash = Load<Memory>(bytes + kBytesHashOffset);
  return hash != kNoHash ? bytes ^ hash : UnhashedBytes<Memory>(bytes);
}

/// A code object's parts, by their places.
struct Parts {
  uint64_t file;
  uint64_t name;
  uint64_t table;
  uint64_t first_line;

  uint64_t Sum() const { return file + (name << 21 | name >> 43) + (table << 42 | table >> 22) + first_line; }
};

template <typename Memory>
__attribute__((always_inline)) inline Parts PartsOf(const Layout& layout, uintptr_t code) {
  return {Load<Memory>(code + layout.code_file), Load<Memory>(code + layout.code_name),
          Load<Memory>(code + layout.code_table), Load<Memory, uint32_t>(code + layout.code_first_line)};
}

/// A freed code object's memory is taken by the next one, in loops over exec() with the same names and all else in the
/// same place, too. Their contents distinguish them.
template <typename Memory>
__attribute__((always_inline)) inline uint64_t FullIdentity(const Layout& layout, uintptr_t code, const Parts& parts) {
  const uint64_t names = StrIdentity<Memory>(layout, parts.file) + Mix(StrIdentity<Memory>(layout, parts.name));
  return Mix(code ^ (names + Mix(BytesIdentity<Memory>(parts.table) ^ parts.first_line << 32)));
}

/// Full identities of code objects that have been seen while they were new. One that has run for a while without being
/// seen is taken for the one that lay in its place before only if all its parts lie in the same places, too.
struct KnownCode {
  uint64_t check;  ///< sum of its place and its parts' ^ identity: a torn entry does not match
  uint64_t identity;
};
constexpr uint64_t kKnownCodes = 1024;
FDAUDIT_LARGE constinit KnownCode known_codes[kKnownCodes] = {};

/// Takes the code, not its parts: these stay in registers, where they are needed for nothing else.
__attribute__((noinline)) uint64_t NewIdentity(const Layout& layout, uintptr_t code) {
  constexpr const Layout& kConstant = kLayouts[kIndexOf11];
  if (&layout == &kConstant) return FullIdentity<Direct>(kConstant, code, PartsOf<Direct>(kConstant, code));
  return FullIdentity<Direct>(layout, code, PartsOf<Direct>(layout, code));
}

/// The same as FullIdentity, or what serves as well and costs less.
__attribute__((always_inline)) inline uint64_t QuickIdentity(const Layout& layout, uintptr_t code) {
  const Parts parts = PartsOf<Direct>(layout, code);
  const uint64_t places = parts.Sum() + code;
  if (layout.code_version != 0) return Mix(places + Mix(Load<Direct, uint32_t>(code + layout.code_version)));
  if (layout.code_warmup == 0) return NewIdentity(layout, code);
  KnownCode& known = known_codes[code / 16 % kKnownCodes];
  const uint64_t identity = std::atomic_ref(known.identity).load(std::memory_order_relaxed);
  const bool is_known = (std::atomic_ref(known.check).load(std::memory_order_relaxed) ^ identity) == places;
  if (is_known && Load<Direct, uint16_t>(code + layout.code_warmup) == 0) return identity;
  const uint64_t full = NewIdentity(layout, code);
  if (is_known && identity == full) return full;
  std::atomic_ref(known.identity).store(full, std::memory_order_relaxed);
  std::atomic_ref(known.check).store(places ^ full, std::memory_order_relaxed);
  return full;
}

template <typename Memory>
__attribute__((always_inline)) inline uint64_t CodeIdentity(const Layout& layout, uintptr_t code) {
  if constexpr (!Memory::kMayFail) return QuickIdentity(layout, code);
  return FullIdentity<Memory>(layout, code, PartsOf<Memory>(layout, code));
}

template <typename Memory>
__attribute__((always_inline)) inline uint64_t ReadInstruction(const Layout& layout, uintptr_t frame) {
  const uintptr_t place = frame + layout.frame_instruction;
  return layout.code_instructions != 0 ? Load<Memory>(place) : Load<Memory, uint32_t>(place);
}

template <typename Memory>
uintptr_t FirstFrame(const Layout& layout, uintptr_t thread_state, uintptr_t* chain) {
  *chain = layout.chain == 0 ? 0 : Load<Memory>(thread_state + layout.chain);
  // 3.10 has a chain of evaluations, and the frame in the thread state all the same.
  const bool in_chain = layout.chain != 0 && layout.entry != Entry::kEachFrameInChain;
  if (in_chain && *chain == 0) return 0;
  return Load<Memory>((in_chain ? *chain : thread_state) + layout.current_frame);
}

template <typename Memory>
__attribute__((always_inline)) inline uint64_t Hash(const Layout& layout, uintptr_t thread_state, uint32_t depth) {
  uintptr_t chain = 0;
  uint64_t hash = 0;
  uint32_t count = 0;
  uintptr_t known_code = 0;  // a recursive function's frames follow each other
  uint64_t identity = 0;
  uintptr_t frame = FirstFrame<Memory>(layout, thread_state, &chain);
  for (uint32_t steps = 0; frame != 0 && count < depth; ++steps) {
    if (layout.entry == Entry::kOnStack && steps == kLongestRun) break;
    const uint8_t entry = layout.frame_entry == 0 ? 1 : Load<Memory, uint8_t>(frame + layout.frame_entry);
    const bool is_function = layout.entry != Entry::kOnStack || entry < layout.first_entry_owner;
    if (is_function) {
      const uintptr_t code = Load<Memory>(frame + layout.frame_code) & ~uintptr_t{layout.pointer_tag};
      if (Memory::kMayFail && Load<Memory>(code + kTypeOffset) != interpreter.code_type) return kNotFrames;
      const uint64_t instruction = ReadInstruction<Memory>(layout, frame);
      if (code != known_code) identity = CodeIdentity<Memory>(layout, code);
      known_code = code;
      hash = hash * kHashBase + Mix(identity ^ instruction ^ uint64_t{entry} << 56);
      ++count;
    } else {
      hash = hash * kHashBase + entry;
    }
    frame = Load<Memory>(frame + layout.frame_previous);
  }
  return count == 0 ? kNoFrames : hash | 2;
}

}  // namespace

uint64_t HashFrames(uintptr_t thread_state, uint32_t depth, bool guarded) {
  const Layout& layout = interpreter.layout;
  if (guarded) return Hash<Guarded>(layout, thread_state, depth);
  // Debian's and Ubuntu's of these years: offsets as constants are twice as fast.
  if (layout.minor == 11) return Hash<Direct>(kLayouts[kIndexOf11], thread_state, depth);
  return Hash<Direct>(layout, thread_state, depth);
}

namespace {

/// The first chain is read with care: is it what is known of this version?
constinit bool proven = false;
constinit uint32_t doubts = 0;
constexpr uint32_t kEnoughDoubts = 16;

void Judge(uint64_t hash) {
  if (hash != kNoFrames && hash != kNotFrames) proven = true;
  if (hash == kNotFrames && ++doubts == kEnoughDoubts) GiveUp();
}

}  // namespace

uint64_t HashThread(uint32_t depth, bool* guarded, uintptr_t* thread_state) {
  bool is_safe = false;
  const uintptr_t state = knowledge == Knowledge::kKnown ? ThreadState(&is_safe) : 0;
  if (state == 0) return kNoFrames;
  *guarded = *guarded || !is_safe || !proven;
  const uint64_t hash = HashFrames(state, depth, *guarded);
  if (!proven && is_safe) Judge(hash);
  if (hash != kNotFrames) *thread_state = state;
  return hash;
}

uint64_t Identity(uintptr_t code, bool guarded) {
  const Layout& layout = interpreter.layout;
  return guarded ? CodeIdentity<Guarded>(layout, code) : CodeIdentity<Direct>(layout, code);
}

Runs::Runs(uintptr_t thread_state, bool guarded) : layout_(interpreter.layout), guarded_(guarded), frame_(0) {
  if (thread_state == 0) return;
  frame_ = guarded ? FirstFrame<Guarded>(layout_, thread_state, &chain_)
                   : FirstFrame<Direct>(layout_, thread_state, &chain_);
}

uint64_t Runs::Word(uintptr_t address) const { return guarded_ ? Load<Guarded>(address) : Load<Direct>(address); }

uint8_t Runs::Byte(uintptr_t address) const {
  return guarded_ ? Load<Guarded, uint8_t>(address) : Load<Direct, uint8_t>(address);
}

bool Runs::NextRun() {
  PythonFrame rest;
  while (!run_is_over_ && NextFrame(&rest)) {
  }
  if (frame_ == 0 || damaged_) return false;
  if (began_ && chain_ != 0) chain_ = Word(chain_ + layout_.chain_previous);
  began_ = true;
  run_is_over_ = false;
  place_ = layout_.entry == Entry::kOnStack ? FindPlace() : chain_;
  return true;
}

/// The frame that ends the run.
uintptr_t Runs::FindPlace() {
  uintptr_t frame = frame_;
  for (uint32_t steps = 0; frame != 0 && steps < kLongestRun; ++steps) {
    if (Byte(frame + layout_.frame_entry) >= layout_.first_entry_owner) return frame;
    frame = Word(frame + layout_.frame_previous);
  }
  damaged_ = frame != 0;
  return 0;
}

bool Runs::NextFrame(PythonFrame* out) {
  while (!run_is_over_ && frame_ != 0 && !damaged_) {
    const uintptr_t frame = frame_;
    const uint8_t entry = layout_.frame_entry == 0 ? 1 : Byte(frame + layout_.frame_entry);
    frame_ = Word(frame + layout_.frame_previous);
    const bool ends = layout_.entry == Entry::kOnStack ? entry >= layout_.first_entry_owner : entry != 0;
    run_is_over_ = ends;
    if (ends && layout_.entry == Entry::kOnStack) return false;
    out->code = Word(frame + layout_.frame_code) & ~uintptr_t{layout_.pointer_tag};
    damaged_ = out->code == 0 || Word(out->code + kTypeOffset) != interpreter.code_type;
    if (damaged_) return false;
    out->instruction = guarded_ ? ReadInstruction<Guarded>(layout_, frame) : ReadInstruction<Direct>(layout_, frame);
    out->is_generator = layout_.frame_owner != 0 && Byte(frame + layout_.frame_owner) == kOwnedByGenerator;
    if (IsShown(*out)) return true;
  }
  run_is_over_ = true;
  return false;
}

/// A function begins with instructions that make its cells or its generator object; until then Python does not show it.
bool Runs::IsShown(const PythonFrame& frame) const {
  if (layout_.code_first_traceable == 0 || frame.is_generator) return true;
  const auto first = static_cast<int32_t>(Word(frame.code + layout_.code_first_traceable));
  const auto index = static_cast<int64_t>(frame.instruction - frame.code - layout_.code_instructions);
  return index >= int64_t{first} * 2;
}

}  // namespace fdaudit::shim::python
