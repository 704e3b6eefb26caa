// See memory.h.

#include "shim/stack/memory.h"

#include <atomic>

#include "shim/stack/hash.h"
#include "shim/stack/thread_blocks.h"

namespace fdaudit::shim {
namespace {

constexpr uint32_t kCapacity = 88;

/// A walk that had to go on for more than kToleratedExtension frames beyond the remembered ones makes the next one
/// start anew, unless that many are remembered already.
constexpr uint32_t kToleratedExtension = 8;
constexpr uint32_t kEnoughFrames = 64;
constexpr uint32_t kDroppedAtOnce = 16;
constexpr uint32_t kDistanceMask = (1 << 30) - 1;

/// Addresses are kept as their distance from the top of the stack, which is at most 8 MiB (StackRange).
struct RememberedFrame {
  uint64_t pc;  ///< see kExactPc
  uint64_t bp;
  uint64_t sum;  ///< hash of this frame and those outwards
  uint32_t sp;
  uint32_t rbp_from : 30;  ///< where bp was loaded from, if it counts; 0 and 1 as kRbpUnchanged and kOddLoads
  bool needs_rbp : 1;      ///< `bp` counts: a step from here or from further out depends on it
  bool passes_rbp : 1;     ///< the next frame's bp is this one's
};
static_assert(sizeof(RememberedFrame) == 32);

/// frames[0] is the outermost remembered frame.
struct Memory {
  uint64_t generation;
  uintptr_t top;
  uint64_t outer_sum;  ///< hash of frames further out that were dropped for lack of room, relative to frames[0]
  uint32_t size;
  uint32_t walk;  ///< number of the walk that last changed this memory
  bool valid;
  RememberedFrame frames[kCapacity];
};
static_assert(sizeof(Memory) <= kThreadBlockSize);

/// A walk that uses and renews the memory. New frames are put down from the array's end downwards, while the remembered
/// ones that may still match shrink to [0, live_) from its beginning; the two never meet (MakeRoom).
class RememberingWalk {
 public:
  RememberingWalk(Memory& memory, const Frame& start, uint32_t depth, const StackRange& range)
      : memory_(memory), frame_(start), depth_(depth), range_(range), top_(range.top()) {}

  bool Run(uint64_t* hash) {
    Begin();
    Walk();
    // A signal handler that walked meanwhile, without knowing of us, has changed what we used.
    if (memory_.walk != walk_) return false;
    Remember();
    *hash = FinishHash(sum_, count_, cut_, broken_);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    memory_.valid = usable_ && memory_.walk == walk_;
    return true;
  }

 private:
  uintptr_t Address(uint32_t distance) const { return top_ - distance; }
  uint32_t Distance(uintptr_t address) const { return static_cast<uint32_t>(top_ - address); }

  void Begin() {
    const bool usable = memory_.valid && memory_.generation == RulesGeneration() && memory_.top == top_;
    memory_.valid = false;
    walk_ = ++memory_.walk;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    live_ = usable ? CountVerified() : 0;
  }

  /// How many remembered frames, counted from the outermost, still lead outwards as they did. The last of them may have
  /// got another callee since.
  uint32_t CountVerified() {
    const uint32_t start = Distance(frame_.sp);
    for (uint32_t i = 0; i < memory_.size; ++i) {
      const RememberedFrame& frame = memory_.frames[i];
      // Below the start lies dead memory; a frame that begins right there is the start, if it is anything.
      if (frame.sp >= start) return frame.sp == start ? i + 1 : i;
      if (frame.rbp_from == kOddLoads) [[unlikely]] {
        if (!StepsTo(i)) return i + 1;
        continue;
      }
      if (LoadWord(Address(frame.sp) - 8) != frame.pc) return i + 1;
      if (frame.rbp_from != kRbpUnchanged && LoadWord(Address(frame.rbp_from)) != frame.bp) return i + 1;
    }
    return memory_.size;
  }

  /// Whether a step from the next inner frame arrives at frame i.
  bool StepsTo(uint32_t i) {
    if (i + 1 >= memory_.size) return false;
    const RememberedFrame& inner = memory_.frames[i + 1];
    Frame frame = {inner.pc, Address(inner.sp), inner.bp};
    Link link;
    return Step(&frame, &range_, &link) == StepResult::kStepped && Matches(memory_.frames[i], frame);
  }

  bool Matches(const RememberedFrame& remembered, const Frame& frame) const {
    return remembered.pc == frame.pc && Address(remembered.sp) == frame.sp &&
           (remembered.bp == frame.bp || !remembered.needs_rbp);
  }

  void Walk() {
    Link link = {kOddLoads, true};  // from the interposer to its caller: no remembered frame leads here
    for (;;) {
      while (live_ > 0 && Address(memory_.frames[live_ - 1].sp) < frame_.sp) --live_;
      if (live_ > 0 && Matches(memory_.frames[live_ - 1], frame_)) return Join(link);
      cut_ = count_ == depth_;
      if (cut_) return;
      RememberedFrame* added = Add(link);
      const bool stepped = StepOut(&link);
      if (added != nullptr) {
        added->needs_rbp = link.needed_rbp;
        added->passes_rbp = stepped && link.rbp_from == kRbpUnchanged;
      }
      if (!stepped) return;
    }
  }

  /// The walk has arrived at frames[live_ - 1].
  void Join(const Link& link) {
    joined_ = true;
    RememberedFrame* met = &memory_.frames[live_ - 1];
    met->rbp_from = Encoded(link);
    SetNeedsRbp(met, met->needs_rbp);
    const uint32_t room = depth_ - count_;
    const uint32_t taken = room < live_ ? room : live_;
    const uint64_t beyond = taken < live_ ? memory_.frames[live_ - taken - 1].sum : memory_.outer_sum;
    if (taken > 0) {
      sum_ += power_ * (memory_.frames[live_ - 1].sum - kHashPowers.of[taken] * beyond);
      power_ *= kHashPowers.of[taken];
      count_ += taken;
    }
    cut_ = taken < live_;
    if (!cut_) GoBeyond();
  }

  /// Outwards from frames[0]. Usually it is the outermost; why the former walk ended there may have changed.
  void GoBeyond() {
    const RememberedFrame& outermost = memory_.frames[0];
    frame_ = {outermost.pc, Address(outermost.sp), outermost.bp};
    Link link;
    uint32_t extension = 0;
    for (; StepOut(&link); ++extension) {
      cut_ = count_ == depth_;
      if (cut_) break;
      Count();
    }
    if (extension > kToleratedExtension && live_ + Added() < kEnoughFrames) usable_ = false;
  }

  /// False: the walk is over.
  bool StepOut(Link* link) {
    const StepResult result = Step(&frame_, &range_, link);
    broken_ = result == StepResult::kBroken;
    if (broken_) link->needed_rbp = true;  // it may be the reason
    // Off the thread's own stack distances mean nothing.
    if (!range_.proven()) usable_ = false;
    return result == StepResult::kStepped;
  }

  void Count() {
    ++count_;
    sum_ += MixFrame(frame_.pc) * power_;
    power_ *= kHashBase;
  }

  uint32_t Added() const { return kCapacity - first_added_; }

  uint32_t Encoded(const Link& link) const {
    const bool address = link.rbp_from != kRbpUnchanged && link.rbp_from != kOddLoads;
    return (address ? Distance(link.rbp_from) : static_cast<uint32_t>(link.rbp_from)) & kDistanceMask;
  }

  /// Whether the frame's bp counts is known now.
  static void SetNeedsRbp(RememberedFrame* frame, bool needs) {
    frame->needs_rbp = needs;
    if (!needs && frame->rbp_from != kOddLoads) frame->rbp_from = kRbpUnchanged;
  }

  /// Counts the frame, and remembers it if there is room: else what is remembered ends further inwards than the walk.
  RememberedFrame* Add(const Link& link) {
    Count();
    if (first_added_ == live_) MakeRoom();
    if (first_added_ == live_ || !usable_) return nullptr;
    RememberedFrame* added = &memory_.frames[--first_added_];
    *added = {frame_.pc, frame_.bp, 0, Distance(frame_.sp), Encoded(link), false, false};
    return added;
  }

  /// Gives up the outermost remembered frames. The one that becomes the outermost must know its RBP, or not need it.
  void MakeRoom() {
    uint32_t dropped = live_ < kDroppedAtOnce ? live_ : kDroppedAtOnce;
    const auto unusable = [](const RememberedFrame& frame) { return frame.passes_rbp && !frame.needs_rbp; };
    while (dropped < live_ && unusable(memory_.frames[dropped])) ++dropped;
    if (dropped == 0) return;
    memory_.outer_sum = memory_.frames[dropped - 1].sum;
    live_ -= dropped;
    for (uint32_t i = 0; i < live_; ++i) memory_.frames[i] = memory_.frames[i + dropped];
  }

  /// The added frames follow the ones that were joined.
  void Remember() {
    if (!joined_) {
      live_ = 0;
      memory_.outer_sum = 0;
    }
    uint64_t sum = live_ > 0 ? memory_.frames[live_ - 1].sum : memory_.outer_sum;
    // What is not known of frames further out is taken as needed.
    bool needs_rbp = live_ == 0 || memory_.frames[live_ - 1].needs_rbp;
    for (uint32_t i = first_added_; i < kCapacity; ++i) {
      RememberedFrame& frame = memory_.frames[live_++];
      frame = memory_.frames[i];
      sum = MixFrame(frame.pc) + kHashBase * sum;
      frame.sum = sum;
      needs_rbp = frame.needs_rbp || (frame.passes_rbp && needs_rbp);
      SetNeedsRbp(&frame, needs_rbp);
    }
    memory_.size = live_;
    memory_.top = top_;
    memory_.generation = RulesGeneration();
  }

  Memory& memory_;
  Frame frame_;
  const uint32_t depth_;
  StackRange range_;
  const uintptr_t top_;  ///< of the thread's own stack; range_ may leave it
  uint32_t walk_ = 0;
  uint32_t live_ = 0;                 ///< remembered frames that may still be met
  uint32_t first_added_ = kCapacity;  ///< new frames: [first_added_, kCapacity), innermost last
  uint32_t count_ = 0;
  bool cut_ = false;
  bool broken_ = false;
  bool joined_ = false;
  bool usable_ = true;  ///< what is remembered now may be used next time
  uint64_t sum_ = 0;
  uint64_t power_ = 1;
};

}  // namespace

bool HashWithMemory(const CallerRegisters& caller, uint32_t depth, uint64_t* hash) {
  const StackRange range(caller.sp);
  auto* memory = static_cast<Memory*>(ThreadBlockOfCaller());
  if (!range.proven() || memory == nullptr) return false;
  return RememberingWalk(*memory, {caller.pc, caller.sp, caller.bp}, depth, range).Run(hash);
}

void StackThreadReset() {
  if (auto* memory = static_cast<Memory*>(ThreadBlockOfCaller()); memory != nullptr) memory->valid = false;
}

}  // namespace fdaudit::shim
