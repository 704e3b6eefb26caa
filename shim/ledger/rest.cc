#include "shim/ledger/rest.h"

#include <atomic>

#include "shim/base/large.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {

FDAUDIT_LARGE constinit uint64_t resting_bits[kRestingEnd / 64] = {};

namespace {

/// Resting numbers, in the order of their closes, round and round; 0 = none.
FDAUDIT_LARGE constinit int32_t ring[kMaxQuarantine] = {};
constinit uint32_t closes = 0;

constexpr uint64_t BitOf(int fd) { return uint64_t{1} << (fd % 64); }

void ClearBit(int fd) { Atomic(resting_bits[fd / 64]).fetch_and(~BitOf(fd)); }

}  // namespace

void StartRest(int fd) {
  if ((Atomic(resting_bits[fd / 64]).fetch_or(BitOf(fd)) & BitOf(fd)) != 0) return;
  const uint32_t place = Atomic(closes).fetch_add(1) % options.quarantine;
  const int32_t oldest = Atomic(ring[place]).exchange(fd);
  if (oldest != 0) ClearBit(oldest);
}

void EndRest(int fd) {
  for (uint32_t i = 0; i < options.quarantine; ++i) {
    int32_t expected = fd;
    if (Atomic(ring[i]).compare_exchange_strong(expected, 0)) break;
  }
  ClearBit(fd);
}

int CountRestingBelow(int fd) {
  int count = 0;
  const int end = fd < kRestingEnd ? fd : kRestingEnd;
  for (int word = 0; word * 64 < end; ++word) {
    const uint64_t bits = Atomic(resting_bits[word]).load(std::memory_order_relaxed);
    const int in_word = end - word * 64;
    count += __builtin_popcountll(in_word >= 64 ? bits : bits & (BitOf(in_word) - 1));
  }
  return count;
}

}  // namespace fdaudit::shim
