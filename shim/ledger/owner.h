#pragma once

// Who holds a descriptor, as one number: a stream is identified by its address and its kind, a declared owner
// (fdaudit.h) by the tag that it chose. Tags are laid out as Android's: the kind of the owner in the highest eight
// bits.

#include <cstdint>

#include "shim/trace/format.h"

namespace fdaudit::shim {

using OwnerTag = uint64_t;
inline constexpr OwnerTag kNobody = 0;                ///< holds it; as the closer: who only knows the number
inline constexpr OwnerTag kItsStream = ~OwnerTag{0};  ///< as the closer: the stream that holds it, whichever that is

/// Android's: 0 = declared owners count for nothing.
inline constinit int owner_error_level = 2;

inline constexpr int kOwnerKindShift = 56;

/// A FILE*'s and a DIR*'s.
inline OwnerTag StreamTag(uint64_t address) { return OwnerTag{1} << kOwnerKindShift | address; }
inline OwnerTag DirectoryTag(uint64_t address) { return OwnerTag{2} << kOwnerKindShift | address; }

inline OwnerTag OwnerOf(const trace::Incarnation& life) {
  if ((life.opened.flags & trace::kActOwned) != 0) return life.owner;
  if ((life.flags & trace::kOwnedByFile) != 0) return StreamTag(life.owner);
  if ((life.flags & trace::kOwnedByDir) != 0) return DirectoryTag(life.owner);
  return kNobody;
}

}  // namespace fdaudit::shim
