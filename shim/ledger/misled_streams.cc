#include "shim/ledger/misled_streams.h"

#include <cstdio>

#include "shim/base/guard.h"
#include "shim/base/options.h"
#include "shim/base/probe.h"
#include "shim/base/raw_io.h"
#include "shim/base/thread.h"
#include "shim/ledger/findings.h"
#include "shim/ledger/lifetime.h"
#include "shim/ledger/slots.h"

namespace fdaudit::shim {
namespace {

using trace::Incarnation;

/// The number's life before the current one belonged to a stream of the process that this one was forked from, and was
/// closed here by its number alone; and this process has opened something else there by itself.
bool MayMislead(const Incarnation& life, const Incarnation& before, uint32_t image) {
  constexpr uint16_t kNoMistake = trace::kActOverwrote | trace::kActRange | trace::kActListed | trace::kActSwept;
  const bool was_streams = (before.opened.flags & trace::kActInherited) != 0 &&
                           (before.flags & trace::kOwnedByFile) != 0 && before.owner != 0;
  const bool was_closed = before.closed.image == image && (before.closed.flags & kNoMistake) == 0;
  const bool is_own = life.opened.image == image && (life.flags & (trace::kOwnedByFile | trace::kOwnedByDir)) == 0 &&
                      (life.opened.flags & (trace::kActInherited | trace::kActDuplicated)) == 0;
  return was_streams && was_closed && is_own;
}

/// glibc's: what fclose has freed looks different.
bool IsStreamOf(const FILE* stream, int fd) {
  constexpr uint32_t kMagic = 0xfbad0000, kMagicMask = 0xffff0000;
  ProgramMemory memory;
  if (!memory.IsReadableAt(reinterpret_cast<uintptr_t>(stream), sizeof *stream)) return false;
  return (static_cast<uint32_t>(stream->_flags) & kMagicMask) == kMagic && stream->_fileno == fd;
}

bool HasPrinted(const FILE* stream, int fd, const PrivateBlock& block, uint32_t image, bool flushes) {
  if (flushes && stream->_IO_write_ptr > stream->_IO_write_base) return true;
  constexpr int kFromHere = 1;  // SEEK_CUR
  const uint64_t* last_use = LastUseOf(const_cast<PrivateBlock&>(block), fd, image);
  const bool is_unused = last_use != nullptr && Atomic(const_cast<uint64_t&>(*last_use)).load() == 0;
  return is_unused && options.last_use != Options::LastUse::kNothing && raw::Call(SYS_lseek, fd, 0, kFromHere) > 0;
}

void Look(int fd, const Place& place, uint32_t image, bool flushes) {
  const Head head = LoadHead(*place.slot);
  if (head.state != trace::SlotState::kOpen || head.count < 2 || place.slot->image != image) return;
  const Incarnation& life = place.slot->lives[head.count & 1];
  const Incarnation& before = place.slot->lives[(head.count - 1) & 1];
  if (!MayMislead(life, before, image)) return;
  const auto* stream = reinterpret_cast<const FILE*>(before.owner);
  if (!IsStreamOf(stream, fd) || !HasPrinted(stream, fd, *place.block, image, flushes)) return;
  CloseOutcome lives;
  lives.lives[0] = before;
  NoteOwnedClose(fd, before.closed, lives);
}

uint32_t ForkedImage() {
  const uint32_t image = process_mark->image;
  return image != 0 && began_by_fork && !OnForeignStorage() && !InVforkChild() && SystemCallsAllowed() &&
                 ThreadOf(image).UsesLedger()
             ? image
             : 0;
}

}  // namespace

void NoteMisledStream(int fd) {
  const bool is_known = static_cast<uint32_t>(fd) < kMaxDescriptors && WasUsed(fd);
  const uint32_t image = is_known ? ForkedImage() : 0;
  if (image != 0) Look(fd, Find(fd, false), image, false);
}

void NoteMisledStreams(bool flushes) {
  const Guard guard;
  const uint32_t image = ForkedImage();
  if (image == 0) return;
  ForEachOwnSlot(0, image, [=](int fd, const Place& place) { Look(fd, place, image, flushes); });
}

}  // namespace fdaudit::shim
