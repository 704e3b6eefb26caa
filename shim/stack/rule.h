#pragma once

// How to get from a frame to its caller, packed into 64 bits so that the rule cache can hold it in one atomic word.
//
// x86-64 needs two registers: RSP and RBP. A rule says where the canonical frame address lies (the CFA: the value of
// RSP in the caller once the call has returned), where the return address is, and where the caller's RBP was saved.
// What compilers emit, and the few hand-written forms that appear on call paths, fit; everything else is kUnknown, and
// the walk ends there with `broken` set. docs/unwinding.md lists the classes with counts.

#include <cstdint>

namespace fdaudit::shim {

enum class CfaKind : uint8_t {
  kRsp = 0,      ///< CFA = RSP + n
  kRbp = 1,      ///< CFA = RBP + n
  kAtRsp = 2,    ///< CFA = *(RSP + n) + m: signal frames
  kAtRbp = 3,    ///< CFA = *(RBP + n) + m: functions that realign their stack (DRAP)
  kUnknown = 4,  ///< there is a rule, and it cannot be expressed here
  kEnd = 5,      ///< outermost: the return address is undefined
  kGuess = 6,    ///< no rule for this address: the frame pointer may help (JIT code, assembly without CFI)
};

enum class RbpKind : uint8_t {
  kSame = 0,   ///< unchanged
  kAtCfa = 1,  ///< *(CFA + k)
  kAtRsp = 2,  ///< *(RSP + k)
  kAtRbp = 3,  ///< *(RBP + k)
  kLost = 4,   ///< undefined, or not expressible: the walk goes on until a frame needs it
};

/// What a rule says, unpacked. `extra` is m in bytes where the return address lies at CFA - 8, and where
/// return_at_rsp is set the return address's place: RSP + 8 * extra.
struct RuleParts {
  CfaKind cfa = CfaKind::kUnknown;
  RbpKind rbp = RbpKind::kSame;
  bool return_at_rsp = false;
  bool signal = false;  ///< the caller was interrupted, it did not call: its pc is exact
  int32_t n = 0;
  int32_t k = 0;
  int32_t extra = 0;
};

class Rule {
 public:
  constexpr Rule() = default;
  constexpr explicit Rule(uint64_t bits) : bits_(bits) {}

  static constexpr Rule Of(CfaKind kind) { return Rule(static_cast<uint64_t>(kind)); }
  static constexpr Rule Unknown() { return Of(CfaKind::kUnknown); }

  /// kUnknown where a number does not fit its field (frames beyond 128 MiB).
  static constexpr Rule Pack(const RuleParts& parts) {
    if (!Fits(parts.n, kCfaBits) || !Fits(parts.k, kRbpBits) || !Fits(parts.extra, kExtraBits)) return Unknown();
    return Rule(static_cast<uint64_t>(parts.cfa) | static_cast<uint64_t>(parts.rbp) << 3 |
                static_cast<uint64_t>(parts.return_at_rsp) << 6 | static_cast<uint64_t>(parts.signal) << 7 |
                (static_cast<uint64_t>(parts.extra) & 0xff) << 8 | (static_cast<uint64_t>(parts.k) & 0xfffff) << 16 |
                static_cast<uint64_t>(parts.n) << 36);
  }

  constexpr RuleParts Unpack() const {
    return {cfa(), rbp(), (bits_ & 0x40) != 0, (bits_ & 0x80) != 0, n(), k(), extra()};
  }

  /// CFA = RSP + n or RBP + n, return address at CFA - 8, RBP at CFA + k or unchanged: nearly every frame.
  constexpr bool plain() const { return (bits_ & 0xf6) == 0; }
  constexpr bool cfa_from_rbp() const { return (bits_ & 1) != 0; }
  constexpr bool rbp_saved() const { return (bits_ & 8) != 0; }

  constexpr CfaKind cfa() const { return static_cast<CfaKind>(bits_ & 7); }
  constexpr RbpKind rbp() const { return static_cast<RbpKind>(bits_ >> 3 & 7); }
  constexpr int32_t n() const { return static_cast<int32_t>(static_cast<int64_t>(bits_) >> 36); }
  constexpr int32_t k() const { return static_cast<int32_t>(static_cast<int64_t>(bits_ << 28) >> 44); }
  constexpr int32_t extra() const { return static_cast<int8_t>(bits_ >> 8); }
  constexpr uint64_t bits() const { return bits_; }
  friend constexpr bool operator==(Rule, Rule) = default;

 private:
  static constexpr int kCfaBits = 28;
  static constexpr int kRbpBits = 20;
  static constexpr int kExtraBits = 8;
  static constexpr bool Fits(int64_t value, int bits) {
    return value >= -(int64_t{1} << (bits - 1)) && value < int64_t{1} << (bits - 1);
  }

  uint64_t bits_ = static_cast<uint64_t>(CfaKind::kUnknown);
};

/// What rt_sigreturn(2) leaves on the stack: RSP points at struct ucontext, whose gregs hold RBP at byte 120, RSP at
/// 160 and RIP at 168 (asm/sigcontext.h behind uc_flags, uc_link and uc_stack).
inline constexpr Rule kSignalFrameRule = Rule::Pack({.cfa = CfaKind::kAtRsp,
                                                     .rbp = RbpKind::kAtRsp,
                                                     .return_at_rsp = true,
                                                     .signal = true,
                                                     .n = 160,
                                                     .k = 120,
                                                     .extra = 21});

}  // namespace fdaudit::shim
