#pragma once

// The ledger's private slots: where they lie, how they change, how they follow into a forked child. For the files of
// the ledger alone; what they do together is explained in ledger.h.

#include <cstdint>

#include "shim/ledger/ledger.h"
#include "shim/ledger/mirror.h"
#include "shim/process/image.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {

/// A slot and the block that it lies in. slot == nullptr: beyond the ledger's reach, or not made yet.
struct Place {
  PrivateBlock* block = nullptr;
  PrivateSlot* slot = nullptr;
};

/// The caller's block number `index`. Of the process's: not a vfork child's.
PrivateBlock* BlockFor(uint32_t index, bool make);
PrivateBlock* ProcessBlockFor(uint32_t index, bool make);
Place Find(int fd, bool make);
/// The slot of `fd` as this image's own: one that was inherited by fork is taken over first.
Place FindOwn(int fd, uint32_t image);

/// A slot last touched in another image (before fork) becomes this one's. `open`: what the kernel says of it now.
/// `origin` (trace::ActFlags) marks the opening of what the ledger did not know to be open.
void TakeOver(PrivateSlot& slot, uint32_t image, bool open, uint16_t origin = trace::kActInherited);

/// The snapshot that fork made has been compared with the kernel's table.
void NoteSnapshotChecked(uint32_t image);

/// One above the highest number ever open here.
int32_t Reach();
/// `lowest`: a number that was handed out as the lowest free one, which proves that all below it are open.
void NotePeak(int fd, uint32_t image, bool lowest);

/// Whether the caller has a slot for `fd` already that may be its image's own: a vfork child's are copied when they are
/// first looked at.
bool MayBeOwn(const PrivateBlock* block, int fd);

bool WasUsed(int fd);
void NoteUsed(const Place& place, int fd);

/// The number of the life after life `count`. 0 would be a number never used; 2 is where the life after the last odd
/// one lies, too.
constexpr uint32_t NextLife(uint32_t count) { return count == UINT32_MAX ? 2 : count + 1; }

inline Head LoadHead(PrivateSlot& slot) { return Unpack(Atomic(slot.head).load(std::memory_order_acquire)); }

inline bool SwapHead(PrivateSlot& slot, Head expected, Head wanted) {
  uint64_t old = Pack(expected);
  return Atomic(slot.head).compare_exchange_strong(old, Pack(wanted));
}

inline void Count(uint32_t trace::ImageRecord::*counter, uint32_t image) {
  Atomic(ImageOf(image)->*counter).fetch_add(1, std::memory_order_relaxed);
}

/// Something could not be recorded, for one of trace::CoverageReason.
void Dropped(uint32_t image, uint32_t reason);

/// Copies the slot to the trace, or counts that there is no room.
void Mirror(const Place& place, int fd, uint32_t image);

trace::Incarnation MakeLife(const trace::Act& act, const NewDescriptor& what);

/// Ends the open incarnation that `head` describes. False: another was faster.
bool CloseOpen(const Place& place, int fd, const trace::Act& act, Head head);

/// Calls visit(fd, place) for each number of the ledger in [first, last] that was ever filled. What was not is not even
/// looked at: the memory behind it may never have been touched. `only_own`: those that may be the image's own.
template <typename Visitor>
void ForEachSlot(uint32_t first, uint32_t last, Visitor visit, bool only_own = false) {
  const auto end = static_cast<uint64_t>(Reach());
  for (uint64_t fd = first; fd <= last && fd < end;) {
    PrivateBlock* block = BlockFor(static_cast<uint32_t>(fd / kPrivateSlots), false);
    const uint64_t bits = block == nullptr ? 0 : block->used[fd % kPrivateSlots / 64] >> (fd % 64);
    if (bits == 0) {
      fd = (fd | 63) + 1;
      continue;
    }
    fd += static_cast<uint64_t>(__builtin_ctzll(bits));
    if (fd > last || fd >= end) return;
    const auto number = static_cast<int>(fd);
    if (!only_own || MayBeOwn(block, number)) visit(number, Find(number, false));
    ++fd;
  }
}

/// The same of those that image `image`, the caller's, has touched.
template <typename Visitor>
void ForEachOwnSlot(uint32_t first, uint32_t image, Visitor visit) {
  ForEachSlot(
      first, UINT32_MAX,
      [image, &visit](int fd, const Place& place) {
        if (place.slot->image == image) visit(fd, place);
      },
      true);
}

}  // namespace fdaudit::shim
