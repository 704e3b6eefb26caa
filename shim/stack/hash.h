#pragma once

// The hash of a call path: sum of Mix(frame i) * K^i, i = 0 for the innermost frame, modulo 2^64. Being a polynomial,
// it can be built from either end and cut anywhere: the walk adds frames outwards, the thread's memory keeps the sums
// of the outer parts, and both join with one multiplication. Pure computation.

#include <cstdint>

#include "shim/stack/rule_cache.h"
#include "shim/stack/walk.h"

namespace fdaudit::shim {

inline constexpr uint64_t kHashBase = 0xd6e8feb86659fd93U;  // odd, so that powers never vanish

/// Not linear, so that sums of frames say more than the frames' sums.
inline uint64_t MixFrame(uint64_t pc) {
  pc *= 0x9e3779b97f4a7c15U;
  pc ^= pc >> 32;
  return pc * 0xff51afd7ed558ccdU;
}

struct HashPowers {
  uint64_t of[kMaxDepth + 1];
  constexpr HashPowers() : of() {
    of[0] = 1;
    for (uint32_t i = 1; i <= kMaxDepth; ++i) of[i] = of[i - 1] * kHashBase;
  }
};
inline constexpr HashPowers kHashPowers;

inline uint64_t FinishHash(uint64_t sum, uint32_t count, bool cut, bool broken) {
  uint64_t hash = sum ^ RulesGeneration() ^ (uint64_t{count} << 2 | uint64_t{cut} << 1 | uint64_t{broken});
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdU;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53U;
  hash ^= hash >> 33;
  return hash != 0 ? hash : 1;
}

}  // namespace fdaudit::shim
