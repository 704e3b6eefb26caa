#pragma once

// The private slots of the ledger and their mirror in the trace. A private block knows, for each group of 16 numbers,
// which trace block mirrors it and for which image; a forked child finds its parent's there, and takes a block of its
// own when it first changes something. Blocks of images that ended with nothing to report are used again. Lock-free,
// any context.

#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::shim {

inline constexpr uint32_t kMaxDescriptors = 1u << 20;  ///< numbers beyond are counted as lost
inline constexpr uint32_t kPrivateSlots = 256;

/// The part of a slot that changes by compare-and-swap.
struct Head {
  uint32_t count;
  trace::SlotState state;
  uint8_t flags;  ///< HeadFlags
};

enum HeadFlags : uint8_t {
  kStaleUnderWay = 1,  ///< PrivateSlot::stale: a close of a number that isn't open in the ledger has not returned yet
  kStaleDone = 2,      ///< … has succeeded, at stale_ended
};

inline uint64_t Pack(Head head) {
  return head.count | static_cast<uint64_t>(head.state) << 32 | static_cast<uint64_t>(head.flags) << 40;
}
inline Head Unpack(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<trace::SlotState>(word >> 32 & 0xff),
          static_cast<uint8_t>(word >> 40)};
}

struct PrivateSlot {
  uint64_t head;     ///< packed Head
  uint32_t image;    ///< that touched it last; another's: inherited by fork, not yet checked
  uint32_t closing;  ///< count of the incarnation whose close has not returned yet
  uint32_t opens;
  uint32_t closes;
  trace::Incarnation lives[2];
  trace::Act stale;
  uint64_t stale_ended;
  trace::Act missed;      ///< a stale close that succeeded, and whose victim had not been recorded when the number was
                          ///< opened again
  uint64_t missed_ended;  ///< 0 = none
  // For telling an unseen close from one that the ledger knows but can't assign.
  uint64_t began;        ///< stamp before the call that opened the current incarnation
  uint64_t last_close;   ///< stamp at which the latest close of the number returned
  uint64_t declared;     ///< the latest tag by which an owner declared that it held the number; 0 = none
  uint32_t last_closer;  ///< its thread; 0: unknown what it closed; its own thread may miss it too
  uint32_t closes_under_way;
  uint32_t registered_life;  ///< as trace::SlotBlock::registered_life
  uint16_t registered_in;    ///< as trace::SlotHead::registered_in
  bool missed_counted;       ///< its victim is in ImageRecord::untracked_opens
  bool replaced;             ///< what is there was put over something live, and its source closed at once
};

struct PrivateBlock {
  uint64_t used[kPrivateSlots / 64];                        ///< a bit for each slot that was ever filled
  uint64_t mirrors[kPrivateSlots / trace::kSlotsPerBlock];  ///< image << 32 | index + 1 of its trace block
  PrivateSlot slots[kPrivateSlots];
};

/// Copies the slot of `fd` to the trace. False: no room.
bool MirrorSlot(PrivateBlock& block, const PrivateSlot& slot, int fd, uint32_t image);
/// The same, with the text of what it now refers to (nullptr = none).
bool MirrorOpened(PrivateBlock& block, const PrivateSlot& slot, int fd, uint32_t image, const char* target);

/// Whether the trace has the slot's state. Not where a signal handler has jumped out of the recording.
bool IsMirrored(PrivateBlock& block, const PrivateSlot& slot, int fd, uint32_t image);

/// Where the latest use of `fd` is kept (trace::PackUse); nullptr where the trace has no block of the image's for it.
uint64_t* LastUseOf(PrivateBlock& block, int fd, uint32_t image);

/// The target text of `fd`, empty where unknown.
void CopyTarget(PrivateBlock& block, int fd, uint32_t image, char (&target)[trace::kTargetSize]);

/// Looks in the mirrored ledger of `origin` for the life of `fd` that was open at `when` (a stamp); fills `life` if it
/// is known: each number remembers two. False: that image never touched the number, its own origin has to be asked.
/// `has_execed`: the image has executed the program that asks.
bool FindOrigin(uint32_t origin, int fd, uint64_t when, bool has_execed, trace::Incarnation* life);

/// Sums up what the image's blocks still hold, and gives them back for other images.
void ReleaseBlocks(uint32_t image);

}  // namespace fdaudit::shim
