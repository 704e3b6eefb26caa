#pragma once

// What libc opens for itself inside a call and keeps beyond it: getpwent until endpwent, syslog until closelog. No
// intercepted function opens or closes it, so the kernel is asked. Before the call the lowest free numbers are looked
// up, among which an opened one will be; after it, which of them are open and unknown to the ledger. Where other
// threads may be opening too, only what is proven to be the database's own file, or a socket to the log, is taken for
// libc's.
//
// Once the descriptor is known, a call costs one load: libc keeps its number until the call that ends it. What libc may
// replace inside any call (the log's socket) is looked at after each.

#include <cerrno>
#include <cstdint>

#include "shim/events/events.h"
#include "shim/trace/recorder.h"

namespace fdaudit::shim {

/// Something of which libc keeps one descriptor at most.
struct Kept {
  const char* paths[2];  ///< what it is open on; of a socket, where it is connected to
  bool replaced;         ///< libc may close and open it anew in any call
  int domain = 0;        ///< of a socket that has no path
  uint64_t held = 0;     ///< packed (kept.cc); its lower half is 0 while the descriptor is not known
};

inline bool HoldsForSure(Kept& kept) {
  return !kept.replaced && static_cast<uint32_t>(Atomic(kept.held).load(std::memory_order_relaxed)) != 0;
}

/// Around a call in which libc may open what it keeps.
class KeptWatch {
 public:
  KeptWatch(const CallSite& site, Kept& kept);
  ~KeptWatch();
  KeptWatch(const KeptWatch&) = delete;
  KeptWatch& operator=(const KeptWatch&) = delete;

  static constexpr int kCandidates = 16;

 private:
  const CallSite& site_;
  Kept& kept_;
  bool watches_ = false;
  uint64_t held_ = 0;      ///< before the call
  int free_count_ = 0;     ///< numbers that were free before the call
  int free_[kCandidates];  // NOLINT: filled up to free_count_
};

/// Around a call in which libc closes it.
class KeptRelease {
 public:
  KeptRelease(const CallSite& site, Kept& kept);
  ~KeptRelease();
  KeptRelease(const KeptRelease&) = delete;
  KeptRelease& operator=(const KeptRelease&) = delete;

 private:
  const CallSite& site_;
  Kept& kept_;
  bool watches_ = false;
  uint64_t held_ = 0;
  uint32_t count_ = 0;  ///< the incarnation that is recorded as closed; 0 = the ledger had none
};

/// A call in which libc may open what it keeps.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto Keeping(Kept& kept, Function& function, A... arguments) {
  if (HoldsForSure(kept)) return function(arguments...);
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const KeptWatch watch(site, kept);
  return function(arguments...);
}

/// A call that ends what libc keeps.
template <typename Function, typename... A>
__attribute__((always_inline)) inline auto Releasing(Kept& kept, Function& function, A... arguments) {
  const CallSite site = FDAUDIT_CALL_SITE(function);
  const KeptRelease release(site, kept);
  return function(arguments...);
}

}  // namespace fdaudit::shim
